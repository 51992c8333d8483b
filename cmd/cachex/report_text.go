package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"cachex/proxy"
	"cachex/sandbox"
)

// All words of the text report are here. Rules: one screen for an ordinary
// run; counts that are zero are left out; a line that tells of a problem says
// what to do; it reads well in 80 columns and without colour.

const (
	reportWidth = 80
	// shownHosts and shownIncidents bound what a terminal is filled with.
	shownHosts     = 12
	shownIncidents = 20
)

// palette is how the report is coloured; without a terminal it adds nothing.
type palette struct{ title, good, warn, bad, dim lipgloss.Style }

func newPalette(out *os.File) palette {
	r := lipgloss.NewRenderer(out)
	// Asking the terminal for its background would read from it, and it
	// belongs to the build (5 s on a terminal that does not answer).
	r.SetHasDarkBackground(true)
	style := func(color string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(color)) }
	return palette{
		title: r.NewStyle().Bold(true), good: style("2"), warn: style("3"), bad: style("1"), dim: style("8"),
	}
}

func widthOf(out *os.File) int {
	if w, _, err := term.GetSize(int(out.Fd())); err == nil && w >= 40 {
		return min(w, 120)
	}
	return reportWidth
}

// writeText prints the report for people.
func writeText(out *os.File, s summary, a *account) {
	p, width := newPalette(out), widthOf(out)
	var b strings.Builder
	t := s.Totals
	fmt.Fprintf(&b, "%s %s\n", p.title.Render("cachex:"), headline(t, s.Offline))
	if t.Requests > 0 {
		b.WriteString(hostTable(s.Hosts, p, width) + "\n")
		fmt.Fprintf(&b, "%s\n", p.dim.Render(trafficLine(t)))
	}
	writePassed(&b, a.passed, p)
	if slices.ContainsFunc(slices.Collect(maps.Keys(a.passed)), forbidden) {
		fmt.Fprintf(&b, "%s %s: %s\n", p.title.Render("cachex: hint:"), s.Cache, ownerHint(s.Cache))
	}
	writeIncidents(&b, a, p, width)
	for _, f := range s.Changed {
		fmt.Fprintf(&b, "%s the build changed %s; the change stayed in the sandbox\n", p.warn.Render("note:"), f)
	}
	for _, d := range s.Daemons {
		fmt.Fprintf(&b, "%s the command asked the daemon at %s;\n  what that downloads is not covered (cachex help ci)\n", p.warn.Render("note:"), d)
	}
	writeLacks(&b, s.lacks, p)
	if s.fell != nil {
		fmt.Fprintf(&b, "%s no sandbox could be made: %v\n", p.warn.Render("note:"), s.fell)
		if step := new(sandbox.StepError); errors.As(s.fell, &step) && step.Hint != "" {
			fmt.Fprintf(&b, "%s %s\n", p.title.Render("cachex: hint:"), step.Hint)
		}
	}
	if s.Sandbox == sandboxEnv {
		fmt.Fprintf(&b, "%s %s\n", p.warn.Render("note:"), envNote(s.Rung, s.Offline))
	}
	writeHints(&b, s.Hints, p)
	writeLock(&b, s.locked, a.frozen, p)
	if t.Refused > a.denied+a.frozen.all() && s.Offline {
		fmt.Fprintf(&b, "%s run once without --offline to add what was refused\n", p.title.Render("cachex: hint:"))
	}
	io.WriteString(out, b.String())
}

// envNote says what --sandbox=env cannot see.
func envNote(rung sandbox.Rung, offline bool) string {
	switch {
	case rung == sandbox.ByGuard:
		return "the command was kept from ports below 1024, and sudo had no power;\n" +
			"  programs that ignore HTTP_PROXY were not seen at others (--sandbox=env lifts this)"
	case offline:
		return "programs that ignore HTTP_PROXY had the network (--sandbox=env)"
	}
	return "programs that ignore HTTP_PROXY were not seen (--sandbox=env)"
}

func headline(t counts, offline bool) string {
	if t.Requests == 0 {
		return "no requests"
	}
	parts := []string{plural(t.Requests, "request")}
	for _, c := range []struct {
		n    int
		word string
	}{
		{t.Hit, "hit"}, {t.Revalidated, "revalidated"}, {t.Stale, "stale"}, {t.Miss, "missed"}, {t.Pass, "passed"},
		{t.Tunnel, "tunnelled"}, {t.Refused, "refused"}, {t.Error, "failed"},
	} {
		if c.n > 0 {
			parts = append(parts, humanize.Comma(int64(c.n))+" "+c.word)
		}
	}
	line := strings.Join(parts, ", ")
	if offline {
		line += " (offline)"
	}
	return line
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return humanize.Comma(int64(n)) + " " + word + "s"
}

func trafficLine(t counts) string {
	line := fmt.Sprintf("%s from the cache, %s from the network", size(t.BytesCache), size(t.BytesNetwork))
	if saved := time.Duration(t.SavedMS) * time.Millisecond; saved >= 100*time.Millisecond {
		line += fmt.Sprintf("; about %s of waiting saved", saved.Round(100*time.Millisecond))
	}
	return line
}

func size(n int64) string { return humanize.Bytes(uint64(max(0, n))) }

// column is a count that a host's row shows.
type column struct {
	name string
	of   func(counts) int
}

// happened are the columns of outcomes that happened at all.
func happened(hosts []hostCounts) []column {
	all := []column{
		{"requests", func(c counts) int { return c.Requests }},
		{"hit", func(c counts) int { return c.Hit }},
		{"reval", func(c counts) int { return c.Revalidated }},
		{"stale", func(c counts) int { return c.Stale }},
		{"miss", func(c counts) int { return c.Miss }},
		{"pass", func(c counts) int { return c.Pass }},
		{"tunnel", func(c counts) int { return c.Tunnel }},
		{"refused", func(c counts) int { return c.Refused }},
		{"error", func(c counts) int { return c.Error }},
	}
	return slices.DeleteFunc(all, func(c column) bool {
		return !slices.ContainsFunc(hosts, func(h hostCounts) bool { return c.of(h.counts) > 0 })
	})
}

// hostTable has a row for each host. Names are cut to what the width leaves.
func hostTable(hosts []hostCounts, p palette, width int) string {
	shown := happened(hosts)
	header := []string{"  host"}
	for _, c := range shown {
		header = append(header, c.name)
	}
	header = append(header, "cache", "network")
	var rows [][]string
	for _, h := range hosts[:min(len(hosts), shownHosts)] {
		row := []string{h.Host}
		for _, c := range shown {
			row = append(row, blankZero(c.of(h.counts)))
		}
		rows = append(rows, append(row, size(h.BytesCache), size(h.BytesNetwork)))
	}
	room := width - len("  ")
	for i := 1; i < len(header); i++ {
		widest := lipgloss.Width(header[i])
		for _, row := range rows {
			widest = max(widest, lipgloss.Width(row[i]))
		}
		room -= widest + 1
	}
	t := table.New().Headers(header...).Border(lipgloss.HiddenBorder()).BorderTop(false).BorderBottom(false).
		BorderLeft(false).BorderRight(false).BorderHeader(false).BorderColumn(true).
		StyleFunc(func(row, col int) lipgloss.Style {
			s := lipgloss.NewStyle()
			if row == table.HeaderRow {
				s = p.dim
			}
			if col > 0 {
				s = s.Align(lipgloss.Right)
			}
			return s
		})
	for _, row := range rows {
		row[0] = "  " + shorten(row[0], max(20, room))
		t.Row(row...)
	}
	out := t.Render()
	if n := len(hosts) - shownHosts; n > 0 {
		out += "\n  and " + plural(n, "more host")
	}
	return out
}

func blankZero(n int) string {
	if n == 0 {
		return ""
	}
	return humanize.Comma(int64(n))
}

// shorten cuts the middle out of a name that is too long.
func shorten(s string, width int) string {
	if lipgloss.Width(s) <= width {
		return s
	}
	r := []rune(s)
	head, tail := 0, len(r)
	for room := width - 1; ; { // a rune of the end and one of the beginning in turn
		next := tail - 1
		if head < len(r)-tail {
			next = head
		}
		if room -= lipgloss.Width(string(r[next])); room < 0 {
			return string(r[:head]) + "…" + string(r[tail:])
		}
		if next == head {
			head++
		} else {
			tail--
		}
	}
}

// forbidden tells that a part of the cache directory is not the user's to write to:
// what root has left in it, most often.
func forbidden(reason string) bool {
	return strings.HasPrefix(reason, "could not be kept") && strings.Contains(reason, syscall.EACCES.Error())
}

// writePassed says why answers were not kept.
func writePassed(w io.Writer, passed map[string]int, p palette) {
	for _, why := range slices.Sorted(maps.Keys(passed)) {
		fmt.Fprintf(w, "%s %d × %s\n", p.dim.Render("not kept:"), passed[why], why)
	}
}

// writeIncidents lists what was refused, failed, stale or opaque. Those of one
// outcome and reason stand together.
func writeIncidents(w io.Writer, a *account, p palette, width int) {
	shown := a.incidents[:min(len(a.incidents), shownIncidents)]
	for i, in := range shown {
		alike := func(x incident) bool { return x.outcome == in.outcome && x.reason == in.reason }
		if slices.IndexFunc(shown, alike) < i {
			continue // was in an earlier one's group
		}
		writeAlike(w, slices.DeleteFunc(slices.Clone(shown), func(x incident) bool { return !alike(x) }), p, width)
	}
	if n := len(a.incidents) - shownIncidents + a.more; n > 0 {
		fmt.Fprintf(w, "and %s more like these; --report json=FILE has all\n", humanize.Comma(int64(n)))
	}
}

// writeAlike writes incidents of one outcome and reason: one in a line of its
// own, several below their reason.
func writeAlike(w io.Writer, alike []incident, p palette, width int) {
	style := map[proxy.Outcome]lipgloss.Style{
		proxy.Refused: p.bad, proxy.Error: p.bad, proxy.Stale: p.warn, proxy.Tunnel: p.dim,
	}
	label := style[alike[0].outcome].Render(string(alike[0].outcome) + ":")
	reason := alike[0].reason
	if len(alike) == 1 {
		line := label + " " + alike[0].String()
		if lipgloss.Width(line)+len(": ")+lipgloss.Width(reason) > width {
			fmt.Fprintf(w, "%s\n  %s\n", line, strings.Replace(reason, ", got ", ",\n  got ", 1)) // digests
			return
		}
		fmt.Fprintf(w, "%s: %s\n", line, reason)
		return
	}
	fmt.Fprintf(w, "%s %s\n", label, reason)
	for _, in := range alike {
		fmt.Fprintf(w, "  %s\n", in)
	}
}

func (in incident) String() string {
	if in.times > 1 {
		return fmt.Sprintf("%s %s (%d times)", in.method, in.url, in.times)
	}
	return in.method + " " + in.url
}
