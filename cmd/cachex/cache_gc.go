package main

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"cachex/proxy/store"
)

// cacheGC is "cachex cache gc".
type cacheGC struct {
	cacheCommand
	maxSize, unusedFor string
	dry                bool
}

const cacheGCLong = `Make the cache smaller. With --unused-for what no run has used for as long is
removed. With --max-size, what was not used for longest is removed until the
rest fits. A document goes with all its forms, a redirect together with what it
leads to, the mirror of a git repository as a whole.

Your own files stay, whatever the size: they could not be fetched again. What is
being fetched stays as well; runs may go on meanwhile, and so may another gc.

SIZE is a number of bytes, or as 500MB, 10G (powers of 1000) or 10GiB. AGE is as
30d, 2w or 12h. When something was used is known to the day.`

func newCacheGC(io streams) *cobra.Command {
	o := &cacheGC{cacheCommand: cacheCommand{io: io}}
	c := &cobra.Command{
		Use: "gc [flags]", Short: "Remove what was not used for longest",
		Long:    cacheGCLong + cacheSections("", "CACHEX_MAX_SIZE, CACHEX_UNUSED_FOR, CACHEX_DRY_RUN"),
		Example: "  cachex cache gc --max-size 10G\n  cachex cache gc --unused-for 30d --dry-run",
	}
	c.Flags().StringVar(&o.maxSize, "max-size", "", "`SIZE` that may stay")
	c.Flags().StringVar(&o.unusedFor, "unused-for", "", "`AGE` since the last use that is too much")
	c.Flags().BoolVar(&o.dry, "dry-run", false, "print what would be removed, and remove nothing")
	return o.command(c, cobra.NoArgs, func([]string) error { return o.run() })
}

func (o *cacheGC) run() error {
	c := store.Collector{MaxSize: -1, DryRun: o.dry}
	if o.maxSize == "" && o.unusedFor == "" {
		return &usageError{err: errors.New("what may stay? Say --max-size SIZE, --unused-for AGE or both")}
	}
	if o.maxSize != "" {
		n, err := humanize.ParseBytes(o.maxSize)
		if err != nil || n > 1<<62 {
			return &usageError{err: fmt.Errorf("--max-size %q: a size is as 500MB, 10G or 10GiB", o.maxSize)}
		}
		c.MaxSize = int64(n)
	}
	if o.unusedFor != "" {
		var err error
		if c.UnusedFor, err = parseAge(o.unusedFor); err != nil {
			return &usageError{err: fmt.Errorf("--unused-for %w", err)}
		}
	}
	s, err := o.changeUnless(o.dry)
	if err != nil {
		return err
	}
	defer s.Close()
	out, now := bufio.NewWriter(o.io.out), time.Now()
	seen, line := newProgress(o.io.err, "looked at"), newProgress(o.io.err, "removed")
	c.Seen = seen.add
	c.Removed = func(k store.Key, bytes int64, used time.Time) error {
		seen.done()
		line.add(bytes)
		if !o.dry {
			return nil
		}
		_, err := fmt.Fprintf(out, "%7s %4s  %s\n", strings.ReplaceAll(humanize.Bytes(uint64(bytes)), " ", ""), ago(now, used), shownURL(k, "https"))
		return err
	}
	got, err := s.Collect(c)
	seen.done()
	line.done()
	if e := out.Flush(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	o.report(c, got)
	return nil
}

func (o *cacheGC) report(c store.Collector, got store.Collected) {
	removed := "removed"
	if o.dry {
		removed = "would remove"
	}
	left := got.Before - got.Freed
	fmt.Fprintf(o.io.err, "cachex: %s %s, %s; %s %s\n", removed, countOf(got.Documents, "URL"), humanize.Bytes(uint64(got.Freed)),
		humanize.Bytes(uint64(left)), map[bool]string{true: "would be left", false: "are left"}[o.dry])
	if got.Busy > 0 {
		fmt.Fprintf(o.io.err, "cachex: %s stay: they are being fetched, or were used meanwhile\n", countOf(got.Busy, "URL"))
	}
	if c.MaxSize >= 0 && left > c.MaxSize && got.Own > 0 {
		fmt.Fprintf(o.io.err, "cachex: %s are your own files, which stay\n", humanize.Bytes(uint64(got.Own)))
		fmt.Fprintf(o.io.err, "cachex: hint: cachex cache ls shows them as \"own\"; cachex cache rm GLOB removes them\n")
	}
}

// parseAge reads a duration, with days and weeks.
func parseAge(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(s, unit); ok && err != nil {
			var days float64
			if days, err = strconv.ParseFloat(n, 64); err == nil {
				d = time.Duration(days * float64(length))
			}
		}
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q: an age is as 30d, 2w or 12h", s)
	}
	return d, nil
}
