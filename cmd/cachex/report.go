package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"cachex/cmd/cachex/report"
	"cachex/sandbox"
)

// The reports that a run writes: which, and where they go.

// reportTarget is one --report: a format and where it goes.
type reportTarget struct {
	format string // text, quietText, none, or one of report.Formats
	file   string // "" is standard error: standard output is the build's
}

// reportFormats are the words that --report and "cachex report --format" take.
func reportFormats() []string {
	names := []string{"text"}
	for _, f := range report.Formats() {
		names = append(names, f.Name)
	}
	return names
}

// anyOf is a list for people: a, b or c.
func anyOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// quietText stands for the text report of --quiet.
const quietText = "line"

func parseReports(specs []string, quiet bool) ([]reportTarget, error) {
	var targets []reportTarget
	formats := append(reportFormats(), "none")
	for _, spec := range specs {
		format, file, named := strings.Cut(spec, "=")
		switch {
		case !slices.Contains(formats, format):
			return nil, unknownWord(fmt.Errorf("unknown report format %q: it is %s", format, anyOf(formats)), format, formats, "%s")
		case named && file == "":
			return nil, fmt.Errorf("--report %s= names no file", format)
		case named && (format == "text" || format == "none"):
			return nil, fmt.Errorf("the %s report goes to standard error, not to a file", format)
		}
		targets = append(targets, reportTarget{format, file})
	}
	// A report in a file does not replace the one for people.
	toTerminal := func(t reportTarget) bool { return t.file == "" }
	if !slices.ContainsFunc(targets, toTerminal) {
		targets = append(targets, reportTarget{format: "text"})
	}
	for i := range targets {
		if quiet && targets[i].format == "text" {
			targets[i].format = quietText
		}
	}
	return targets, nil
}

func wantsExchanges(targets []reportTarget) bool {
	return slices.ContainsFunc(targets, func(t reportTarget) bool { return t.format != "text" && t.format != quietText && t.format != "none" })
}

// writeReports writes every report that was asked for.
func writeReports(io streams, targets []reportTarget, r *report.Report) error {
	var failed error
	for _, t := range targets {
		if err := t.write(io, r); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

func (t reportTarget) write(streams streams, r *report.Report) error {
	switch t.format {
	case "text":
		return report.Text(streams.err, r)
	case quietText:
		return report.Line(streams.err, r)
	case "none":
		return nil
	}
	write := formatNamed(t.format)
	if t.file == "" {
		return write(streams.err, r)
	}
	err := writeWhole(t.file, func(w io.Writer) error { return write(w, r) })
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// formatNamed is the format of a name that reportFormats lists.
func formatNamed(name string) func(io.Writer, *report.Report) error {
	formats := report.Formats()
	return formats[slices.IndexFunc(formats, func(f report.Format) bool { return f.Name == name })].Write
}

// notes are what a run's report says beside its exchanges.
func (s *session) notes(changed, daemons []string) []report.Note {
	var notes []report.Note
	if s.account.forbidden() {
		notes = append(notes, report.Note{Kind: "note", Text: "a part of the cache may not be written to", Hint: s.opts.cache + ": " + ownerHint(s.opts.cache)})
	}
	note := func(text, detail, hint string) {
		notes = append(notes, report.Note{Kind: "note", Text: text, Detail: detail, Hint: hint})
	}
	for _, f := range changed {
		note("the build changed "+f+"; the change stayed in the sandbox", "", "")
	}
	for _, d := range daemons {
		note("the command asked the daemon at "+d+"; what that downloads is not covered (cachex help ci)", "", "")
	}
	for _, l := range s.box.Lacks() {
		note(lost(l.Part), fmt.Sprintf("%s: %v", l.Why.Step, l.Why.Err), l.Why.Hint)
	}
	if s.fell != nil {
		hint := ""
		if step := new(sandbox.StepError); errors.As(s.fell, &step) {
			hint = step.Hint
		}
		note("no sandbox could be made", s.fell.Error(), hint)
	}
	if s.opts.kind() == sandboxEnv {
		note(envNote(s.box.Rung(), s.opts.offline), "", "")
	}
	return notes
}

// envNote says what --sandbox=env cannot see.
func envNote(rung sandbox.Rung, offline bool) string {
	switch {
	case rung == sandbox.ByGuard:
		return "the command was kept from ports below 1024, and sudo had no power; " +
			"programs that ignore HTTP_PROXY were not seen at others (--sandbox=env lifts this)"
	case offline:
		return "programs that ignore HTTP_PROXY had the network (--sandbox=env)"
	}
	return "programs that ignore HTTP_PROXY were not seen (--sandbox=env)"
}

// workingDirectory is where the command runs, "" where that is not known.
func workingDirectory() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return dir
}
