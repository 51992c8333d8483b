package main

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// streams are what a process is given. They are files, as a build gets the
// very same.
type streams struct{ in, out, err *os.File }

// run is the whole program: arguments in, exit status out.
func run(args []string, io streams) int {
	status := 0
	root := newRoot(io, &status)
	root.SetArgs(args)
	if err := root.Execute(); err != nil {
		if found, words, lost := root.Find(args); lost != nil {
			err = unknownCommand(found, words)
		}
		return complain(io.err, err)
	}
	return status
}

// newRoot is the tree of commands. A run sets the status.
func newRoot(io streams, status *int) *cobra.Command {
	root := &cobra.Command{
		Use:   "cachex",
		Short: "Run a build with every download kept and replayed",
		Long: `cachex runs a command in a sandbox whose only way to the network is a caching
HTTPS proxy. Whatever the command downloads is kept as a plain file; the next
run, or a run with no network at all, gets it from there.

EXIT STATUS
  0 success, 1 failure, 2 wrong use; for "cachex run" see its own help.

ENVIRONMENT
  CACHEX_NAME gives a default for the flag --name; see the help of each command.`,
		Example: "  cachex run -- npm ci\n  cachex run --offline -- npm ci",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 { // after "--"
				return unknownCommand(c, args)
			}
			return c.Help()
		},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	root.SetFlagErrorFunc(unknownFlag)
	root.SetHelpCommand(newHelpCommand(io))
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { writeHelp(io.out, c) })
	root.AddCommand(newRunCommand(io, status), newCACommand(io), newDoctorCommand(io), newCacheCommand(io), newReportCommand(io), newConfigCommand(io), newCompletionCommand(io), newVersionCommand(io), newManCommand(), newRuntimeCommand(io))
	return root
}

// fromEnvironment gives each flag that was not set the value of CACHEX_NAME.
// A list is separated by commas.
func fromEnvironment(flags *pflag.FlagSet, getenv func(string) string) error {
	var errs error
	flags.VisitAll(func(f *pflag.Flag) {
		name := variable(f)
		v := getenv(name)
		if v == "" || f.Changed || f.Name == "help" {
			return
		}
		if err := setFlag(f, v); err != nil {
			errs = errors.Join(errs, &usageError{err: errors.New(name + ": " + err.Error()), command: "cachex run"})
		}
	})
	return errs
}

// variable is the one that gives a default for a flag.
func variable(f *pflag.Flag) string {
	return "CACHEX_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

func setFlag(f *pflag.Flag, v string) error {
	list, ok := f.Value.(pflag.SliceValue)
	if !ok {
		return f.Value.Set(v)
	}
	var items []string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return list.Replace(items)
}
