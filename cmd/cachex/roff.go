package main

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"
)

// The help texts as roff, with the macros of man(7). A help text is laid out by
// hand, in blocks with an empty line between:
//
//	HEADING                a line at the margin, with an indented one after it
//	  prose, filled anew
//	  term  what it is,    two spaces apart, for a list of terms
//	        at length
//	    further indented   kept as it is, and so are lines that begin with "$ "

// roffEscapes keep roff from its own reading of characters: a hyphen may be
// copied into a shell, where it must be the ASCII one, and so may quotes.
var roffEscapes = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`, `"`, `\(dq`)

// roffText is text for a line of its own: a dot in front would make it a request.
func roffText(s string) string {
	s = roffEscapes.Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// roffSections is a help text, whose indentation below a heading is two.
func roffSections(text string) string {
	var b strings.Builder
	var block []string
	margin := 0
	started := false // whether something stands above in its section
	flush := func() {
		if len(block) > 0 {
			b.WriteString(roffBlock(block, margin, started))
			block, started = nil, true
		}
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		heading := i+1 < len(lines) && len(block) == 0 && indentation(line) == 0 && indentation(lines[i+1]) == 2
		switch {
		case line == "":
			flush()
		case heading:
			b.WriteString(".SH " + roffText(line) + "\n")
			margin, started = 2, false
		default:
			block = append(block, line)
		}
	}
	flush()
	return b.String()
}

// roffBlock is lines without an empty one between them. Macros of paragraphs are
// for those that something stands above.
func roffBlock(lines []string, margin int, started bool) string {
	var b strings.Builder
	paragraph := func() {
		if started {
			b.WriteString(".PP\n")
		}
	}
	column := indentation(lines[0])
	isList := slices.ContainsFunc(lines, func(line string) bool { return isTerm(line, column) })
	switch {
	case strings.HasPrefix(lines[0][column:], "$ "), column > margin && !isList:
		paragraph()
		return b.String() + roffLiteral(lines)
	case !isList:
		paragraph()
		for _, line := range lines {
			b.WriteString(roffText(strings.TrimSpace(line)) + "\n")
		}
		return b.String()
	}
	for _, line := range lines {
		term, text := splitTerm(line)
		switch {
		case indentation(line) > column: // the text of the term before goes on
			b.WriteString(roffText(strings.TrimSpace(line)) + "\n")
		case text == "":
			paragraph()
			b.WriteString(roffText(term) + "\n")
		default:
			b.WriteString(".TP\n.B " + roffText(term) + "\n" + roffText(text) + "\n")
		}
		started = true
	}
	return b.String()
}

// roffLiteral is lines that are kept as they are.
func roffLiteral(lines []string) string {
	var b strings.Builder
	b.WriteString(".in +2n\n.nf\n")
	for _, line := range lines {
		b.WriteString(roffText(strings.TrimPrefix(line, lines[0][:indentation(lines[0])])) + "\n")
	}
	return b.String() + ".fi\n.in\n"
}

func roffFlag(f *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(f)
	name := `\fB` + roffText("--"+f.Name) + `\fR`
	if f.Shorthand != "" {
		name = `\fB` + roffText("-"+f.Shorthand) + `\fR, ` + name
	}
	if value != "" {
		name += `=\fI` + roffText(value) + `\fR`
	}
	if d := f.DefValue; f.Value.Type() == "string" && d != "" {
		usage += " (default " + d + ")"
	}
	return ".TP\n" + name + "\n" + roffText(usage) + ".\n"
}

func roffRelated(pages []string) string {
	var refs []string
	for _, p := range pages {
		name, section, _ := strings.Cut(p, "(")
		refs = append(refs, ".BR "+roffText(name)+" ("+section)
	}
	return ".SH SEE ALSO\n" + strings.Join(refs, ",\n") + "\n"
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

var termGap = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^ *(\S.*?)  +(\S.*)$`) })

func isTerm(line string, column int) bool {
	return indentation(line) == column && termGap().MatchString(line)
}

// splitTerm is a line of a list: the term and its text. Without two spaces in it
// all is term.
func splitTerm(line string) (term, text string) {
	if m := termGap().FindStringSubmatch(line); m != nil {
		return m[1], m[2]
	}
	return strings.TrimSpace(line), ""
}
