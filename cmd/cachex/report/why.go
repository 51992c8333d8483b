package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Why something came from the network, in words for people, and what could be
// done about it.

// group are the exchanges of one outcome and cause.
type group struct {
	times   int
	network int64
	urls    []string // the first ones
	reason  string   // of the first
}

const (
	// groupURLs bounds what is remembered of a group, shownURLs what is printed.
	groupURLs = 20
	shownURLs = 3
	// topSize is how many downloads are named as the slowest and as the largest.
	topSize = 5
	// worthwhile are bytes fetched in vain that are worth a hint.
	worthwhile = 100_000
	// remarkable is a download that is worth a line, milliseconds.
	remarkable = 100
)

func (g *group) add(x Exchange) {
	g.times++
	g.network += x.Network
	if len(g.urls) == 0 {
		g.reason = x.Reason
	}
	if len(g.urls) < groupURLs && !slices.Contains(g.urls, x.URL) {
		g.urls = append(g.urls, x.URL)
	}
}

// keepTop adds an exchange to those that have most of something.
func keepTop(top []Exchange, x Exchange, less func(a, b Exchange) int) []Exchange {
	at, _ := slices.BinarySearchFunc(top, x, func(a, b Exchange) int { return -less(a, b) })
	top = slices.Insert(top, at, x)
	return top[:min(len(top), topSize)]
}

func bySize(a, b Exchange) int { return cmp.Compare(a.Network, b.Network) }
func byTime(a, b Exchange) int { return cmp.Compare(a.MS, b.MS) }

// missWords says why something was fetched, in the order in which it is told.
var missWords = [...]struct{ cause, words string }{
	{CauseNew, "for the first time"},
	{CauseChanged, "stale, and the server has something newer"},
	{CauseUnchanged, "stale, and the same bytes came again"},
	{CauseAsked, "as the client wanted a fresh copy"},
	{CauseRemoved, "again, as the file was removed from the cache"},
	{CauseDamaged, "again, as the file in the cache is damaged"},
	{CauseVariant, "in another variant than the kept one"},
	{CausePlain, "again, as what is kept came over plain http"},
	{CauseLock, "again, as what is kept is not what the lock names"},
	{"", "for other reasons"},
}

// why is the cause in words, or else the reason.
func (x Exchange) why() string {
	for _, m := range missWords {
		if m.cause == x.Cause && x.Cause != "" {
			return m.words
		}
	}
	return x.Reason
}

// writeMisses says why what was missed had to be fetched. Of what is there for
// the first time the comparison says more.
func writeMisses(w io.Writer, a *Account, p Palette, width int) {
	for _, m := range missWords {
		g := a.missed[m.cause]
		if g == nil {
			continue
		}
		words := m.words
		if m.cause == "" && g.reason != "" {
			words = "(" + g.reason + ")"
		}
		line := fmt.Sprintf("%s %s × %s, %s", p.Dim.Render("fetched:"), humanize.Comma(int64(g.times)), words, Size(g.network))
		if m.cause == CauseNew {
			fmt.Fprintln(w, line)
			continue
		}
		writeURLs(w, line, g.urls, g.times, p, width)
	}
}

// writeURLs ends a line with a URL, or has several below it.
func writeURLs(w io.Writer, line string, urls []string, all int, p Palette, width int) {
	fmt.Fprintln(w, line)
	for _, u := range urls[:min(len(urls), shownURLs)] {
		fmt.Fprintf(w, "  %s\n", shorten(u, width-2))
	}
	if n := all - shownURLs; n > 0 && len(urls) > shownURLs {
		fmt.Fprintf(w, "  %s\n", p.Dim.Render("and "+humanize.Comma(int64(n))+" more"))
	}
}

// writeAdvice says what could be done about misses.
func writeAdvice(w io.Writer, a *Account, p Palette, width int) {
	hint := func(format string, args ...any) {
		fmt.Fprintln(w, wrap(p.Title.Render("cachex: hint:")+" "+fmt.Sprintf(format, args...), width))
	}
	if g := a.missed[CauseUnchanged]; g != nil && g.network >= worthwhile {
		hint("%s came again in vain, as the server gives no validators: a rule with a ttl (cachex help config) or --policy forever spares that", Size(g.network))
	}
	if g := a.missed[CauseAsked]; g != nil && g.network >= worthwhile {
		hint("%s came again as the client asked for it fresh: see its own settings, such as --prefer-offline", Size(g.network))
	}
	if a.missed[CauseDamaged] != nil {
		hint("cachex cache verify lists what else is damaged")
	}
}

// writeTop names what took longest and what was largest of what was fetched.
func writeTop(w io.Writer, a *Account, p Palette, width int) {
	if len(a.slowest) < 2 {
		return // the table of hosts says it all
	}
	top := slices.Clone(a.slowest)
	for _, x := range a.largest {
		if !slices.ContainsFunc(top, func(y Exchange) bool { return y.URL == x.URL && y.StartMS == x.StartMS }) {
			top = append(top, x)
		}
	}
	top = slices.DeleteFunc(top, func(x Exchange) bool { return x.MS < remarkable && x.Network < worthwhile })
	slices.SortStableFunc(top, func(a, b Exchange) int { return byTime(b, a) })
	if len(top) == 0 {
		return
	}
	fmt.Fprintln(w, p.Dim.Render("slowest and largest downloads:"))
	for _, x := range top {
		fmt.Fprintf(w, "%9s %9s  %s\n", seconds(x.MS), Size(x.Network), shorten(x.URL, max(20, width-21)))
	}
}

// seconds is a time for people.
func seconds(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d >= 100*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", ms)
}

// writeSince compares with the run before.
func writeSince(w io.Writer, r *Report, p Palette, width int) {
	s := r.Since
	if s == nil {
		return
	}
	when := humanize.RelTime(s.Started, r.Started, "before", "after")
	if when == "now" {
		when = "just before"
	}
	if s.New+s.Changed+s.Gone == 0 {
		fmt.Fprintf(w, "%s %s\n", p.Dim.Render("compared:"), "the same downloads as in the run "+when)
		return
	}
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{s.New, "new"}, {s.Changed, "changed"}, {s.Gone, "no more asked for"}} {
		if c.n > 0 {
			parts = append(parts, humanize.Comma(int64(c.n))+" "+c.word)
		}
	}
	fmt.Fprintf(w, "%s with the run %s: %s\n", p.Dim.Render("compared:"), when, strings.Join(parts, ", "))
	if s.New > 0 {
		writeNamed(w, "new", s.NewURLs, s.New, p, width)
	}
	if s.Changed > 0 {
		writeNamed(w, "changed", s.ChangedURLs, s.Changed, p, width)
	}
}

func writeNamed(w io.Writer, word string, urls []string, all int, p Palette, width int) {
	const shown = 5
	for _, u := range urls[:min(len(urls), shown)] {
		fmt.Fprintf(w, "  %-8s %s\n", word, shorten(u, width-11))
	}
	if n := all - shown; n > 0 {
		fmt.Fprintf(w, "  %s\n", p.Dim.Render("and "+humanize.Comma(int64(n))+" more "+word))
	}
}
