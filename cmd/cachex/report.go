package main

import (
	"fmt"
	"slices"
	"strings"
)

// reportTarget is one --report: a format and where it goes.
type reportTarget struct {
	format string // text, json or none
	file   string // "" is standard error: standard output is the build's
}

func parseReports(specs []string) ([]reportTarget, error) {
	var targets []reportTarget
	formats := []string{"text", "json", "none"}
	for _, spec := range specs {
		format, file, named := strings.Cut(spec, "=")
		switch {
		case !slices.Contains(formats, format):
			return nil, unknownWord(fmt.Errorf("unknown report format %q: it is text, json or none", format), format, formats, "%s")
		case named && file == "":
			return nil, fmt.Errorf("--report %s= names no file", format)
		case named && format != "json":
			return nil, fmt.Errorf("the %s report goes to standard error, not to a file", format)
		}
		targets = append(targets, reportTarget{format, file})
	}
	// A report in a file does not replace the one for people.
	toTerminal := func(t reportTarget) bool { return t.file == "" }
	if !slices.ContainsFunc(targets, toTerminal) {
		targets = append(targets, reportTarget{format: "text"})
	}
	return targets, nil
}

func wantsExchanges(targets []reportTarget) bool {
	return slices.ContainsFunc(targets, func(t reportTarget) bool { return t.format == "json" })
}

// writeReports writes every report that was asked for.
func writeReports(io streams, targets []reportTarget, s summary, a *account) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Totals, s.Hosts, s.Hints = a.totals, a.byHost(), a.hints
	var failed error
	for _, t := range targets {
		var err error
		switch {
		case t.format == "text":
			writeText(io.err, s, a)
		case t.format == "json" && a.spoolErr != nil:
			err = fmt.Errorf("the JSON report is not whole: %w", a.spoolErr)
		case t.format == "json" && t.file == "":
			err = writeJSON(io.err, s, a.spool)
		case t.format == "json":
			err = writeJSONFile(t.file, s, a.spool)
		}
		if err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}
