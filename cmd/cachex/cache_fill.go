package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"cachex/cmd/cachex/report"
	"cachex/proxy/lock"
)

const cacheFillLong = `Fetch what is missing in the cache: what the lock FILE names (cachex help lock),
each answer compared with its line, or what the JSON report of an offline run
lists as refused (cachex run --offline --report json=FILE). It goes the way that
a run's requests go. What is here already stays.

Of a lock, what has changed at the server since is not to be had any more. Soft
lines name no answer and are left out. What was fetched with credentials can't
be fetched without, but for the images of registries that give everybody a
token; nor can clones and fetches of git: run the command once for those.

What could not be fetched is listed on standard output, a line for each.`

// cacheFill is "cachex cache fill".
type cacheFill struct {
	cacheCommand
	items   []fillItem
	named   *lock.File // nil for a report
	soft    int        // lines that were left out
	fetched int
	bytes   int64 // of the fetched ones
	here    int
	failed  int
}

// fillItem is what is to be asked for.
type fillItem struct {
	method, url string
	header      http.Header
	auth        bool // with credentials
	git         bool // with a question of git, which nobody knows here
	redirect    bool
}

func newCacheFill(io streams) *cobra.Command {
	o := &cacheFill{cacheCommand: cacheCommand{io: io}}
	c := &cobra.Command{
		Use: "fill [flags] FILE|-", Short: "Fetch what a lock or a report names",
		Long: cacheFillLong + cacheSections("something could not be fetched, or ") + `
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR
                  as for "cachex run"`,
		Example: "  cachex cache fill cachex.lock\n  cachex cache fill report.json",
	}
	return o.command(c, cobra.ExactArgs(1), o.run)
}

func (o *cacheFill) run(args []string) error {
	if err := o.readFrom(args[0]); err != nil {
		return err
	}
	s, err := o.create()
	if err != nil {
		return err
	}
	defer s.Close()
	line := newProgress(o.io.err, "fetched")
	err = fillCache(s, o.rules, o.named, o.items, func(it fillItem, x filled) {
		switch {
		case x.err != nil:
			line.done()
			o.failed++
			fmt.Fprintf(o.io.out, "%s %s: %v\n", it.method, shownName(it.url), x.err)
			return
		case x.here:
			o.here++
		default:
			o.fetched++
			o.bytes += x.bytes
		}
		line.add(x.bytes)
	})
	line.done()
	if err != nil {
		return &exitError{err, exitFailure, ""}
	}
	fmt.Fprintf(o.io.err, "cachex: fetched %s, %s; %d were here already\n", countOf(o.fetched, "answer"), humanize.Bytes(uint64(o.bytes)), o.here)
	if o.soft > 0 {
		fmt.Fprintf(o.io.err, "cachex: left out %s: no answer is named there\n", countOf(o.soft, "soft line"))
	}
	if o.failed == 0 {
		return nil
	}
	hint := "the lines above say why"
	if o.named != nil {
		hint += "; cachex run --lock FILE records what there is now"
	}
	return &exitError{fmt.Errorf("%s could not be fetched", countOf(o.failed, "answer")), exitFailure, hint}
}

// readFrom reads a lock or a report: a report is an object.
func (o *cacheFill) readFrom(path string) error {
	in := io.Reader(o.io.in)
	if path == "-" {
		path = "standard input"
	} else {
		f, err := os.Open(path)
		if err != nil {
			return &exitError{err, exitFailure, ""}
		}
		defer f.Close()
		in = f
	}
	b := bufio.NewReader(in)
	if first, err := b.Peek(1); err == nil && first[0] == '{' {
		return o.readReport(b, path)
	}
	f, err := lock.Parse(b, path)
	if err != nil {
		return lockError(err, exitFailure)
	}
	o.named = f
	for _, l := range f.Lines() {
		if l.Soft {
			o.soft++
			continue
		}
		o.items = append(o.items, itemOf(l))
	}
	return nil
}

// maxReport bounds a report, of which some 300 bytes are of each request.
const maxReport = 1 << 30

func (o *cacheFill) readReport(in io.Reader, path string) error {
	var r struct {
		Schema    int               `json:"schema"`
		Exchanges []report.Exchange `json:"exchanges"`
	}
	err := json.NewDecoder(io.LimitReader(in, maxReport)).Decode(&r)
	if err == nil && r.Schema == 0 {
		err = errors.New("it has no schema")
	}
	if err != nil {
		return &exitError{fmt.Errorf("%s is neither a lock nor a report: %w", path, err), exitFailure,
			"cachex run --offline --report json=FILE writes one that lists what is missing"}
	}
	if r.Schema > report.Schema {
		return &exitError{fmt.Errorf("%s is of schema %d, and this cachex knows %d", path, r.Schema, report.Schema), exitFailure, "a newer cachex reads it"}
	}
	seen := map[string]bool{}
	for _, x := range r.Exchanges {
		id := x.Method + " " + x.URL + " " + x.Accept
		if x.Outcome != report.Refused || seen[id] {
			continue
		}
		seen[id] = true
		it := fillItem{method: x.Method, url: x.URL, header: http.Header{}}
		if x.Accept != "" {
			it.header.Set("Accept", x.Accept)
		}
		o.items = append(o.items, it)
	}
	return nil
}
