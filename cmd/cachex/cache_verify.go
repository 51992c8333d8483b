package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"cachex/proxy/store"
)

// cacheVerify is "cachex cache verify".
type cacheVerify struct {
	cacheCommand
	quick, fix bool
}

const cacheVerifyLong = `Compare what is kept with its metadata: the digest and length of each file, and
whether each has its own; and look for what killed processes left. Each problem
is a line on standard output, with the file and what is wrong with it. (A run
serves nothing of that kind: a file that was cut, or whose metadata is damaged,
is fetched again. Bytes that a disk has changed are found here alone.)

Your own files, and those that you edited, are no problem. What stands for no
URL, such as notes of yours, is named on standard error and left alone. Mirrors
of git repositories are checked by git when they are used.

With --quick no file is read, and digests are not compared.`

func newCacheVerify(io streams) *cobra.Command {
	o := &cacheVerify{cacheCommand: cacheCommand{io: io}}
	c := &cobra.Command{
		Use: "verify [flags]", Short: "Look for damage",
		Long:    cacheVerifyLong + cacheSections("there are problems that were not removed, or ", "CACHEX_QUICK, CACHEX_FIX"),
		Example: "  cachex cache verify --quick\n  cachex cache verify --fix",
	}
	c.Flags().BoolVar(&o.quick, "quick", false, "read no file: compare lengths alone")
	c.Flags().BoolVar(&o.fix, "fix", false, "remove what is wrong; it is fetched again")
	return o.command(c, cobra.NoArgs, func([]string) error { return o.run() })
}

func (o *cacheVerify) run() error {
	open := o.read
	if o.fix {
		open = o.change
	}
	s, err := open()
	if err != nil {
		return err
	}
	defer s.Close()
	line := newProgress(o.io.err, "verified")
	problems, fixed := 0, 0
	err = s.Verify(store.Verifier{
		Quick: o.quick, Fix: o.fix,
		Checked: func(_ store.Key, bytes int64) { line.add(bytes) },
		Found: func(p store.Problem) error {
			line.done()
			problems++
			end := ""
			switch {
			case p.Fixed:
				fixed++
				end = " (removed)"
			case p.Err != nil:
				end = " (not removed: " + p.Err.Error() + ")"
			}
			_, err := fmt.Fprintf(o.io.out, "%s: %s%s\n", shownName(p.Name), p.Reason, end)
			return err
		},
		Skip: func(name, reason string) {
			line.done()
			fmt.Fprintf(o.io.err, "cachex: skipped %s: %s\n", shownName(name), reason)
		},
	})
	line.done()
	if err != nil {
		return err
	}
	words := "no problems"
	if problems > 0 {
		words = countOf(problems, "problem")
	}
	if fixed > 0 {
		words += fmt.Sprintf(", %d removed", fixed)
	}
	fmt.Fprintf(o.io.err, "cachex: verified %s, %s: %s\n", countOf(line.count, "file"), humanize.Bytes(uint64(line.bytes)), words)
	if problems == fixed {
		return nil
	}
	hint := "cachex cache verify --fix removes what is wrong; it is fetched again when it is asked for"
	if o.fix {
		hint = ownerHint(o.dir)
	}
	return &exitError{fmt.Errorf("%s in %s", countOf(problems-fixed, "problem"), o.dir), exitFailure, hint}
}
