package report

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/dustin/go-humanize"
	"golang.org/x/term"
)

// All words of the text report are here. Rules: one screen for an ordinary
// run; Counts that are zero are left out; a line that tells of a problem says
// what to do; it reads well in 80 columns and without colour.

const (
	reportWidth = 80
	// shownHosts and shownIncidents bound what a terminal is filled with.
	shownHosts     = 12
	shownIncidents = 20
)

// Palette is how words for people are coloured; without a terminal it adds nothing.
type Palette struct{ Title, Good, Warn, Bad, Dim lipgloss.Style }

// NewPalette is the one for a terminal, or for what stands in place of it.
func NewPalette(out *os.File) Palette {
	r := lipgloss.NewRenderer(out)
	// Asking the terminal for its background would read from it, and it
	// belongs to the build (5 s on a terminal that does not answer).
	r.SetHasDarkBackground(true)
	style := func(color string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(color)) }
	return Palette{
		Title: r.NewStyle().Bold(true), Good: style("2"), Warn: style("3"), Bad: style("1"), Dim: style("8"),
	}
}

// WidthOf is the width of a terminal in columns, at most 120; 80 where there is none.
func WidthOf(out *os.File) int {
	if w, _, err := term.GetSize(int(out.Fd())); err == nil && w >= 40 {
		return min(w, 120)
	}
	return reportWidth
}

// Line is the report of --quiet: one line, and nothing when there was no request.
func Line(w io.Writer, r *Report) error {
	if r.Totals.Requests == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "cachex: %s; %s from the cache, %s from the network\n", headline(r.Totals, r.Offline, Palette{}), Size(r.Totals.BytesCache), Size(r.Totals.BytesNetwork))
	return err
}

// Text writes the report for people to a terminal, or to what stands for one. A
// run without requests that there is nothing else to say of has none.
func Text(out *os.File, r *Report) error {
	p, width := NewPalette(out), WidthOf(out)
	var b strings.Builder
	t, a := r.Totals, r.Account
	if t.Requests > 0 {
		fmt.Fprintf(&b, "%s %s\n", p.Title.Render("cachex:"), headline(t, r.Offline, p))
		b.WriteString(hostTable(r.Hosts, p, width) + "\n")
		for line := range strings.Lines(trafficLine(t)) {
			fmt.Fprintln(&b, p.Dim.Render(strings.TrimSuffix(line, "\n")))
		}
	}
	writeMisses(&b, a, p, width)
	writePassed(&b, a.passed, p)
	writeTop(&b, a, p, width)
	writeSince(&b, r, p, width)
	writeIncidents(&b, a, p, width)
	for _, n := range r.Notes {
		writeNote(&b, n, p, width)
	}
	writeAdvice(&b, a, p, width)
	writeHints(&b, r.Hints, p)
	if r.Frozen {
		writeFrozen(&b, r.Lock, a.frozen, p)
	}
	if t.Refused > a.denied+a.frozen.all() && r.Offline {
		fmt.Fprintf(&b, "%s run once without --offline to add what was refused\n", p.Title.Render("cachex: hint:"))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// writeNote writes a sentence about the run, with its reason below it.
func writeNote(w io.Writer, n Note, p Palette, width int) {
	label := p.Warn.Render(n.Kind + ":")
	if n.Kind != "note" {
		label = p.Dim.Render(n.Kind + ":")
	}
	fmt.Fprintln(w, wrap(label+" "+n.Text, width))
	if n.Detail != "" {
		fmt.Fprintf(w, "  %s\n", n.Detail)
	}
	if n.Hint != "" {
		fmt.Fprintf(w, "%s %s\n", p.Title.Render("cachex: hint:"), n.Hint)
	}
}

// writeFrozen says what to do about what a lock refused.
func writeFrozen(w io.Writer, path string, refused frozenOut, p Palette) {
	hint := p.Title.Render("cachex: hint:")
	if refused.unnamed > 0 {
		fmt.Fprintf(w, "%s leave out --frozen once\n  to have %s name what was refused\n", hint, path)
	}
	if refused.kept > 0 {
		fmt.Fprintf(w, "%s cachex cache rm URL\n  has a file of the cache that was changed fetched again\n", hint)
	}
	if refused.fetched > 0 {
		fmt.Fprintf(w, "%s a server has changed what it has\n  leave out --frozen once to have %s name that\n", hint, path)
	}
}

// wrap breaks a line at spaces, with the further ones set in by two. Words that
// are too long, such as URLs, stay whole.
func wrap(line string, width int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(line) {
		n := lipgloss.Width(word)
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteString("\n  ")
			at = 2
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}

func headline(t Counts, offline bool, p Palette) string {
	parts := []string{Plural(t.Requests, "request")}
	for _, c := range []struct {
		n     int
		word  string
		style lipgloss.Style
	}{
		{t.Hit, "hit", p.Good}, {t.Revalidated, "revalidated", p.Good}, {t.Stale, "stale", p.Warn}, {t.Miss, "missed", lipgloss.Style{}}, {t.Pass, "passed", lipgloss.Style{}},
		{t.Tunnel, "tunnelled", lipgloss.Style{}}, {t.Refused, "refused", p.Bad}, {t.Error, "failed", p.Bad},
	} {
		if c.n > 0 {
			parts = append(parts, c.style.Render(humanize.Comma(int64(c.n))+" "+c.word))
		}
	}
	line := strings.Join(parts, ", ")
	if offline {
		line += " (offline)"
	}
	return line
}

// Plural is a count with its word: 1 file, 2 files.
func Plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return humanize.Comma(int64(n)) + " " + word + "s"
}

func trafficLine(t Counts) string {
	line := fmt.Sprintf("%s from the cache, %s from the network", Size(t.BytesCache), Size(t.BytesNetwork))
	if saved := time.Duration(t.SavedMS) * time.Millisecond; saved >= 100*time.Millisecond {
		line += fmt.Sprintf(";\n%s of waiting saved, as measured when the same files were fetched", saved.Round(100*time.Millisecond))
	}
	return line
}

// Size is a number of bytes for people, in powers of 1000.
func Size(n int64) string { return humanize.Bytes(uint64(max(0, n))) }

// column is a count that a host's row shows.
type column struct {
	name string
	of   func(Counts) int
}

// happened are the columns of outcomes that happened at all.
func happened(hosts []HostCounts) []column {
	all := []column{
		{"requests", func(c Counts) int { return c.Requests }},
		{"hit", func(c Counts) int { return c.Hit }},
		{"reval", func(c Counts) int { return c.Revalidated }},
		{"stale", func(c Counts) int { return c.Stale }},
		{"miss", func(c Counts) int { return c.Miss }},
		{"pass", func(c Counts) int { return c.Pass }},
		{"tunnel", func(c Counts) int { return c.Tunnel }},
		{"refused", func(c Counts) int { return c.Refused }},
		{"error", func(c Counts) int { return c.Error }},
	}
	return slices.DeleteFunc(all, func(c column) bool {
		return !slices.ContainsFunc(hosts, func(h HostCounts) bool { return c.of(h.Counts) > 0 })
	})
}

// hostTable has a row for each host. Names are cut to what the width leaves.
func hostTable(hosts []HostCounts, p Palette, width int) string {
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
			row = append(row, blankZero(c.of(h.Counts)))
		}
		rows = append(rows, append(row, Size(h.BytesCache), Size(h.BytesNetwork)))
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
				s = p.Dim
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
		out += "\n  and " + Plural(n, "more host")
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

// writePassed says why answers were not kept.
func writePassed(w io.Writer, passed map[string]int, p Palette) {
	for _, why := range slices.Sorted(maps.Keys(passed)) {
		fmt.Fprintf(w, "%s %d × %s\n", p.Dim.Render("not kept:"), passed[why], why)
	}
}

// writeIncidents lists what was refused, failed, stale or opaque. Those of one
// outcome and reason stand together.
func writeIncidents(w io.Writer, a *Account, p Palette, width int) {
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
func writeAlike(w io.Writer, alike []incident, p Palette, width int) {
	style := map[string]lipgloss.Style{
		Refused: p.Bad, Error: p.Bad, Stale: p.Warn, Tunnel: p.Dim,
	}
	label := style[alike[0].outcome].Render(alike[0].outcome + ":")
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
