package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"cachex/proxy"
)

// SIGUSR1: what a run is doing now, for a command that seems to hang.

// shownUnderWay bounds what a terminal is filled with.
const shownUnderWay = 40

// underWay is something that has not ended.
type underWay struct {
	since time.Time
	what  string
	state string // "" where what says it all
}

// printState says on standard error what is under way. Nothing waits for it, so
// that it comes in one piece.
func (s *session) printState() {
	var b bytes.Buffer
	now := time.Now()
	fmt.Fprintf(&b, "cachex: after %s: ", shortTime(now.Sub(s.started)))
	var all []underWay
	if s.proxy != nil {
		for _, l := range s.proxy.State() {
			all = append(all, underWay{l.Start, l.Method + " " + shownName(l.URL), l.State})
		}
	}
	for name, since := range s.lookups.all() {
		all = append(all, underWay{since, "looks up the name " + shownName(name), ""})
	}
	slices.SortStableFunc(all, func(a, b underWay) int { return a.since.Compare(b.since) })
	t := s.account.totals()
	fmt.Fprintf(&b, "%s ended, %s from the cache, %s from the network; ", countOf(t.Requests, "request"), humanize.Bytes(uint64(t.BytesCache)), humanize.Bytes(uint64(t.BytesNetwork)))
	if len(all) == 0 {
		b.WriteString("nothing is under way\n")
	} else {
		fmt.Fprintf(&b, "%d under way\n", len(all))
	}
	for _, u := range all[:min(len(all), shownUnderWay)] {
		fmt.Fprintf(&b, "  %6s %s\n", shortTime(now.Sub(u.since)), u.what)
		if u.state != "" {
			fmt.Fprintf(&b, "         %s\n", u.state)
		}
	}
	if n := len(all) - shownUnderWay; n > 0 {
		fmt.Fprintf(&b, "  and %d more\n", n)
	}
	if s.line != nil {
		s.line.say(b.Bytes())
	} else {
		s.io.err.Write(b.Bytes()) // who can't be told isn't
	}
}

// shortTime is a duration to a tenth of a second, or a second where it is long.
func shortTime(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// lookups are the questions for names that the host has not answered yet. The zero
// value has none.
type lookups struct {
	mu    sync.Mutex
	asked map[string][]time.Time
}

// begin notes a question, and gives what ends it.
func (l *lookups) begin(name string) func() {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked == nil {
		l.asked = map[string][]time.Time{}
	}
	l.asked[name] = append(l.asked[name], now)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.asked[name] = l.asked[name][1:]; len(l.asked[name]) == 0 {
			delete(l.asked, name)
		}
	}
}

// all are the names that are asked for, and since when.
func (l *lookups) all() map[string]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]time.Time{}
	for name, since := range l.asked {
		all[name] = since[0]
	}
	return all
}

// logLine is an exchange as a line of --verbose.
func logLine(x proxy.Exchange) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, x.Reason)
	return fmt.Sprintf("%s %-11s %3d %9d %6dms %s %s (%s)\n", x.Start.UTC().Format("2006-01-02T15:04:05.000Z"), x.Outcome, x.Status, x.Bytes,
		x.Took.Milliseconds(), shownName(x.Method), shownName(x.URL), clean)
}
