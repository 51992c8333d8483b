package main

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// statusLine is the last row of the terminal while a command runs: the command has
// a terminal of its own that is a row shorter, and what it writes there passes
// through here (sandbox.Display). It is drawn in between, never within a sequence
// of the command's, and not while that shows a screen of its own.
type statusLine struct {
	out  *os.File
	text func() string // what it says now

	mu      sync.Mutex
	screen  screenText
	columns int
	active  bool
	changed bool // the command has written since it was drawn
	shown   string
	stop    chan struct{}
	drawing sync.WaitGroup
}

const (
	// lineEvery is how often the line is looked at. A person reads no faster.
	lineEvery = 200 * time.Millisecond
	// leastRows and leastColumns are of a terminal that has room for it.
	leastRows    = 6
	leastColumns = 30
)

// newStatusLine begins to draw when Enter is called. Close ends it.
func newStatusLine(out *os.File, text func() string) *statusLine {
	l := &statusLine{out: out, text: text, stop: make(chan struct{})}
	l.drawing.Go(func() {
		for tick := time.NewTicker(lineEvery); ; {
			select {
			case <-l.stop:
				tick.Stop()
				return
			case <-tick.C:
				l.update()
			}
		}
	})
	return l
}

// Close ends the drawing.
func (l *statusLine) Close() {
	if l != nil {
		close(l.stop)
		l.drawing.Wait()
	}
}

func (l *statusLine) fits(rows, columns int) bool {
	return rows >= leastRows && columns >= leastColumns
}

// Rows is one less than there are, where the terminal has room.
func (l *statusLine) Rows(rows, columns int) int {
	if l.fits(rows, columns) {
		return rows - 1
	}
	return rows
}

// Enter makes room: the cursor may be in the last row.
func (l *statusLine) Enter(rows, columns int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active = l.fits(rows, columns)
	l.screen.rows, l.columns, l.shown = rows-1, columns, ""
	if l.active && !l.screen.own {
		fmt.Fprintf(l.out, "\n\x1b7\x1b[1;%dr\x1b8\x1b[1A", l.screen.rows)
	}
	l.screen.margin = l.screen.own
}

// Leave takes the line away.
func (l *statusLine) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active {
		fmt.Fprintf(l.out, "\x1b7\x1b[r\x1b[%d;1H\x1b[2K\x1b8", l.screen.rows+1)
	}
	l.active = false
}

// Write shows what the command has written.
func (l *statusLine) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	shown := text
	if l.active {
		shown = l.screen.add(text)
		l.changed = true
	}
	if _, err := l.out.Write(shown); err != nil {
		return 0, err
	}
	return len(text), nil
}

// say writes lines of cachex's own among the command's. The terminal does not begin
// lines anew by itself while the command has one of its own.
func (l *statusLine) say(text []byte) {
	l.Write(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
}

func (l *statusLine) update() {
	text := l.text()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.active || !l.screen.quiet() || text == l.shown && !l.changed && !l.screen.margin {
		return
	}
	margin := ""
	if l.screen.margin {
		margin = fmt.Sprintf("\x1b[1;%dr", l.screen.rows)
	}
	// ESC 7 and 8 keep where the cursor is, how it writes, and in which letters.
	fmt.Fprintf(l.out, "\x1b7%s\x1b[?6l\x1b[%d;1H\x1b(B\x1b[0;7m\x1b[2K%s\x1b[0m\x1b8", margin, l.screen.rows+1, ansi.Truncate(text, l.columns-1, "…"))
	l.shown, l.changed, l.screen.margin = text, false, false
}

// statusLine is nil where it was not asked for, or where there is no terminal.
func (s *session) statusLine() *statusLine {
	if !s.opts.progress || !term.IsTerminal(int(s.io.in.Fd())) || !term.IsTerminal(int(s.io.err.Fd())) {
		return nil
	}
	w := &progressWords{now: time.Now}
	return newStatusLine(s.io.err, func() string { return w.of(s.account.totals(), s.proxy.State()) })
}
