package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"cachex/cmd/cachex/report"
	"cachex/proxy/store"
)

const reportLong = `Show the report of a run again: of the last one, or of RUN, which is a number as
--list has it, the beginning of a time, as 2026-11-27 or 2026-11-27T16:0, or
words of the command.

Runs leave their reports in the cache directory, below .cachex/runs: those of
the last 100 runs within 90 days, without secrets. With cachex run --no-record
a run leaves none.

See "cachex help reports" for the formats.`

// reportCommand is "cachex report".
type reportCommand struct {
	cacheCommand
	list     bool
	format   string
	subjects []string
}

func newReportCommand(io streams) *cobra.Command {
	o := &reportCommand{cacheCommand: cacheCommand{io: io}}
	c := &cobra.Command{
		Use: "report [flags] [RUN]", Short: "Show the report of a run again",
		Long:    reportLong + cacheSections("there is no such run, or ", "CACHEX_LIST, CACHEX_FORMAT, CACHEX_SUBJECT"),
		Example: "  cachex report\n  cachex report --list\n  cachex report 2\n  cachex report --format json 'npm ci'",
	}
	c.Flags().BoolVar(&o.list, "list", false, "list the runs, the last one first")
	c.Flags().StringVar(&o.format, "format", "text", "`FORMAT`: "+anyOf(reportFormats()))
	c.Flags().StringArrayVar(&o.subjects, "subject", nil, "`FILE` that the slsa format is for (repeatable)")
	return o.command(c, cobra.MaximumNArgs(1), o.run)
}

func (o *reportCommand) run(args []string) error {
	if formats := reportFormats(); !slices.Contains(formats, o.format) {
		return &usageError{err: unknownWord(fmt.Errorf("unknown report format %q: it is %s", o.format, anyOf(formats)), o.format, formats, "%s")}
	}
	switch {
	case o.list && len(args) > 0:
		return &usageError{err: errors.New("--list shows all runs: name none")}
	case o.list && o.format != "text" && o.format != "json":
		return &usageError{err: fmt.Errorf("--list has the formats text and json, not %s", o.format)}
	}
	if o.format == provenance && len(o.subjects) == 0 {
		return &usageError{err: noSubject()}
	}
	s, err := o.read()
	if err != nil {
		return err
	}
	defer s.Close()
	if o.list {
		return o.listRuns(s)
	}
	word := ""
	if len(args) == 1 {
		word = args[0]
	}
	name, err := findRecord(s, word)
	if err != nil {
		return err
	}
	r, err := recorded(s, name)
	if err != nil {
		return &exitError{err, exitFailure, "cachex report --list shows those that can be read"}
	}
	if o.format != "text" {
		if o.format == provenance {
			if r.Subjects, err = readSubjects(o.subjects); err != nil {
				return err
			}
		}
		out := bufio.NewWriter(o.io.out)
		return errors.Join(formatNamed(o.format).Write(out, r), out.Flush())
	}
	fmt.Fprintf(o.io.out, "%s: %s\n%s, exit status %d\n", r.Started.Local().Format(time.DateTime), shownCommand(r.Command),
		(time.Duration(r.MS) * time.Millisecond).Round(100*time.Millisecond), r.Exit)
	return report.Text(o.io.out, r)
}

// shownCommand is a command as a line of a terminal.
func shownCommand(args []string) string {
	if line := commandLine(args); line != "COMMAND" {
		return line
	}
	b, err := json.Marshal(args) // with what a terminal would not show escaped
	if err != nil {
		return "COMMAND"
	}
	return string(b)
}

// runLine is a run as --list --format json prints it.
type runLine struct {
	Run     int           `json:"run"`
	Started time.Time     `json:"started"`
	Exit    int           `json:"exit"`
	MS      int64         `json:"ms"`
	Command []string      `json:"command"`
	Totals  report.Counts `json:"totals"`
}

func (o *reportCommand) listRuns(s *store.Store) error {
	out := bufio.NewWriter(o.io.out)
	if o.format == "text" {
		fmt.Fprintf(out, "%3s  %-19s %4s %8s %8s %8s  %s\n", "RUN", "STARTED", "EXIT", "REQUESTS", "CACHE", "NETWORK", "COMMAND")
	}
	lines := json.NewEncoder(out)
	for i, name := range s.Records() {
		r, err := openRecord(s, name)
		if err != nil {
			fmt.Fprintf(o.io.err, "cachex: skipped %v\n", err)
			continue
		}
		if o.format == "json" {
			err = lines.Encode(runLine{i + 1, r.Started, r.Exit, r.MS, r.Command, r.Totals})
		} else {
			_, err = fmt.Fprintf(out, "%3d  %-19s %4d %8d %8s %8s  %s\n", i+1, r.Started.Local().Format(time.DateTime), r.Exit,
				r.Totals.Requests, report.Size(r.Totals.BytesCache), report.Size(r.Totals.BytesNetwork), shownCommand(r.Command))
		}
		r.Close()
		if err != nil {
			return err
		}
	}
	return out.Flush()
}
