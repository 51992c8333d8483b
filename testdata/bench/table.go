//go:build linux

package main

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed preface.md
var preface string

//go:embed afterword.md
var afterword string

const minute = "2006-01-02 15:04"

// table is what people read of results.
type table struct {
	*results
	loads      []load
	contenders []string
}

// newTable has those of the loads that there are figures of, in their order.
func newTable(r *results, loads []load) *table {
	t := &table{results: r}
	for _, l := range loads {
		if slices.ContainsFunc(r.Figures, func(f figure) bool { return f.Load == l.name }) {
			t.loads = append(t.loads, l)
		}
	}
	for _, name := range []string{limitName, cachexName, squidName, mitmproxyName} {
		if slices.ContainsFunc(r.Figures, func(f figure) bool { return f.Contender == name }) {
			t.contenders = append(t.contenders, name)
		}
	}
	return t
}

// markdown is the whole text.
func (t *table) markdown() string {
	var b strings.Builder
	b.WriteString(preface)
	fmt.Fprintf(&b, "## Figures\n\nMedians of %d rounds, ± half of the way from the least to the most.\n\n", t.Rounds)
	t.values(&b)
	if began := t.elsewhere(""); began != nil {
		fmt.Fprintf(&b, "\n\\* measured in another run, which began %s\n", began.Format(minute))
	}
	fmt.Fprint(&b, "\n## Bars\n\n")
	t.verdicts(&b)
	fmt.Fprint(&b, "\n## Processor time and memory\n\nMicroseconds of processor time for a request: the contender's own, and the client's. MiB are the most that the contender had, and the last column how many requests reached the origin.\n\n")
	t.costs(&b)
	if t.Soak != nil {
		fmt.Fprintf(&b, "\n## Soak\n\n%s", t.Soak.words())
	}
	if notes := t.failures(); notes != "" {
		fmt.Fprintf(&b, "\n## Not measured\n\n%s", notes)
	}
	fmt.Fprintf(&b, "\n## Machine\n\n%s", t.where())
	b.WriteString(afterword)
	return b.String()
}

// elsewhere is when another run began that has measured a load, or any; nil is that
// this run has.
func (t *table) elsewhere(load string) *time.Time {
	for _, f := range t.Figures {
		if f.Began != nil && (load == "" || f.Load == load) {
			return f.Began
		}
	}
	return nil
}

// label is a load's name, with a star when another run has measured it.
func (t *table) label(l load) string {
	if t.elsewhere(l.name) != nil {
		return l.name + ` \*`
	}
	return l.name
}

func (t *table) values(b *strings.Builder) {
	fmt.Fprint(b, "| load | unit |")
	for _, c := range t.contenders {
		fmt.Fprintf(b, " %s |", c)
	}
	peers := slices.DeleteFunc(slices.Clone(t.contenders), func(c string) bool { return c == cachexName })
	for _, c := range peers {
		fmt.Fprintf(b, " cachex / %s |", c)
	}
	fmt.Fprintf(b, "\n| --- | --- |%s\n", strings.Repeat(" ---: |", len(t.contenders)+len(peers)))
	for _, l := range t.loads {
		fmt.Fprintf(b, "| %s | %s |", t.label(l), l.unit)
		for _, c := range t.contenders {
			fmt.Fprintf(b, " %s |", cell(t.figure(l.name, c)))
		}
		ours := t.figure(l.name, cachexName).median(value)
		for _, c := range peers {
			r := ratio(ours, t.figure(l.name, c).median(value))
			if r == 0 {
				fmt.Fprint(b, " |")
				continue
			}
			fmt.Fprintf(b, " %s |", number(r))
		}
		fmt.Fprintln(b)
	}
}

// cell is a median with its spread.
func cell(f *figure) string {
	if f == nil || len(f.Samples) == 0 {
		return "–"
	}
	text := number(f.median(value))
	if len(f.Samples) > 1 {
		text += fmt.Sprintf(" ±%.0f %%", 100*spread(f.each(value)))
	}
	return text
}

// number has three digits or more.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 10 && v > -10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100 && v > -100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// known is a number, where 0 means that it was not measured.
func known(v float64) string {
	if v == 0 {
		return "–"
	}
	return number(v)
}

func (t *table) verdicts(b *strings.Builder) {
	fmt.Fprint(b, "| load | compared with | bar | figure | |\n| --- | --- | ---: | ---: | --- |\n")
	for _, l := range t.loads {
		for _, v := range t.judge(l) {
			with, least, sign := v.of, v.least, "at least "
			if v.load != "" {
				with = "“" + v.load + "”"
			}
			if v.most != 0 {
				least, sign = v.most, "at most "
			}
			figure, unit := number(v.value), ""
			if v.of == "" && v.load == "" || v.added {
				unit = " " + l.unit
			}
			if v.added {
				unit += " more"
			}
			word := "below the bar"
			switch {
			case !v.known:
				word, figure, unit = "not measured", "–", ""
			case v.passed:
				word = "passed"
			}
			fmt.Fprintf(b, "| %s | %s | %s%s | %s%s | %s |\n", l.name, with, sign, number(least), figure, unit, word)
		}
	}
}

func (t *table) costs(b *strings.Builder) {
	fmt.Fprint(b, "| load |")
	for _, c := range t.contenders {
		fmt.Fprintf(b, " %s µs | client µs | MiB | at the origin |", c)
	}
	fmt.Fprintf(b, "\n| --- |%s\n", strings.Repeat(" ---: |", 4*len(t.contenders)))
	for _, l := range t.loads {
		fmt.Fprintf(b, "| %s |", t.label(l))
		for _, c := range t.contenders {
			f := t.figure(l.name, c)
			if f == nil || len(f.Samples) == 0 {
				fmt.Fprint(b, " – | – | – | – |")
				continue
			}
			fmt.Fprintf(b, " %s | %s | %.0f | %.0f |", known(f.median(sample.cost)), known(f.median(sample.clientCost)),
				slices.Max(f.each(func(m sample) float64 { return m.Peak })), f.median(func(m sample) float64 { return float64(m.Origin) }))
		}
		fmt.Fprintln(b)
	}
}

// failures says what there are no figures of, and why.
func (t *table) failures() string {
	var b strings.Builder
	for _, m := range t.Missing {
		fmt.Fprintf(&b, "- %s\n", m)
	}
	for _, f := range t.Figures {
		if f.Failed != "" {
			fmt.Fprintf(&b, "- %s: %s: %s\n", f.Contender, f.Load, strings.Join(strings.Fields(f.Failed), " "))
		}
	}
	return b.String()
}

func (t *table) where() string {
	var b strings.Builder
	m := t.Machine
	fmt.Fprintf(&b, "- %s, %d processors (%s), %.0f MiB, caches on %s\n", m.Kernel, m.CPUs, m.CPU, m.Memory, m.FileSystem)
	fmt.Fprintf(&b, "- load average %s before, %s after; begun %s\n", m.LoadBefore, m.LoadAfter, t.Began.Format(minute))
	for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
		fmt.Fprintf(&b, "- %s: %s\n", name, m.Versions[name])
	}
	return b.String()
}
