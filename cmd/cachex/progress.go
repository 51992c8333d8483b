package main

import (
	"fmt"
	"os"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"
)

// progress is a line on a terminal that says how far a command is, for what takes
// over a second. Elsewhere it is silent. It is drawn by who does the work: nothing
// runs beside it, and nothing is left of it when done was called.
type progress struct {
	out   *os.File // nil when it is no terminal
	what  string
	next  time.Time // not to be drawn before
	drawn bool
	count int
	bytes int64
}

const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

func newProgress(out *os.File, what string) *progress {
	if !term.IsTerminal(int(out.Fd())) {
		out = nil
	}
	return &progress{out: out, what: what, next: time.Now().Add(progressAfter)}
}

// add counts one more thing and its bytes.
func (p *progress) add(bytes int64) {
	p.count++
	p.bytes += bytes
	if p.out == nil || p.count%64 != 0 && bytes < 1<<20 {
		return
	}
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(progressEvery)
		p.drawn = true
		fmt.Fprintf(p.out, "\r\x1b[K%s: %s, %s", p.what, countOf(p.count, "file"), humanize.Bytes(uint64(p.bytes)))
	}
}

// done takes the line away.
func (p *progress) done() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}
