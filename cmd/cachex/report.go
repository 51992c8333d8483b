package main

import (
	"bytes"
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
	// subjects are the files that a provenance is for.
	subjects []string
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

// provenance is the format that needs to be told of files.
const provenance = "slsa"

// stepSummary is what GitHub's runners call the variable that names the file for
// summaries of a step, which is the same for all commands of it.
const stepSummary = "GITHUB_STEP_SUMMARY"

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
		if format == "github" && file == "" {
			if file = os.Getenv(stepSummary); file == "" {
				return nil, &hintedError{fmt.Errorf("the github report goes to the file that %s names, which is not set", stepSummary),
					"name a file elsewhere: --report github=FILE"}
			}
		}
		targets = append(targets, reportTarget{format: format, file: file})
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

// giveSubjects tells provenances what they are for.
func giveSubjects(targets []reportTarget, files []string) error {
	for i := range targets {
		if targets[i].format != provenance {
			continue
		}
		if len(files) == 0 {
			return noSubject()
		}
		targets[i].subjects = files
	}
	return nil
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
	f := formatNamed(t.format)
	var err error
	if r.Subjects, err = readSubjects(t.subjects); err != nil {
		return err
	}
	if t.file == "" {
		return f.Write(streams.err, r)
	}
	put := writeWhole
	if f.Appends {
		put = appendWhole
	}
	err = put(t.file, func(w io.Writer) error { return f.Write(w, r) })
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// probe makes and removes a file where the report is to be, so that what can't be
// written is noticed before the command runs.
func (t reportTarget) probe() error {
	if t.file == "" {
		return nil
	}
	probe := probeWhole
	if formatNamed(t.format).Appends {
		probe = probeAppend
	}
	if err := probe(t.file); err != nil {
		return &exitError{fmt.Errorf("write the report %s: %w", t.file, err), exitInternal, "name a file in a directory that you may write to"}
	}
	return nil
}

// formatNamed is the format of a name that reportFormats lists.
func formatNamed(name string) report.Format {
	formats := report.Formats()
	return formats[slices.IndexFunc(formats, func(f report.Format) bool { return f.Name == name })]
}

// appendWhole adds to a file, in one piece: several runs may do so at a time.
func appendWhole(name string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	return errors.Join(err, f.Close())
}

// probeAppend tells whether appendWhole could write a file, which may be where no
// other one can be made. It leaves nothing.
func probeAppend(name string) error {
	if fi, err := os.Stat(name); err != nil || !fi.Mode().IsRegular() {
		return probeWhole(name)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return errors.Unwrap(err) // without the name, which the caller tells
	}
	return f.Close()
}

// noSubject is the error of a provenance that is for no file.
func noSubject() error {
	return &hintedError{report.ErrNoSubject, "name what the command makes: --subject FILE"}
}

// readSubjects are the files' digests.
func readSubjects(files []string) ([]report.Subject, error) {
	var subjects []report.Subject
	for _, name := range files {
		s, err := report.NewSubject(name)
		if err != nil {
			return nil, fmt.Errorf("read the subject of the provenance: %w", err)
		}
		subjects = append(subjects, s)
	}
	return subjects, nil
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
