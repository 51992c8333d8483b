package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"cachex/proxy"
	"cachex/proxy/store"
)

// cacheExport is "cachex cache export".
type cacheExport struct {
	cacheCommand
	since  string
	run    string
	public bool
}

const cacheExportLong = `Write what is kept to FILE, or to standard output, as one archive (tar and zstd)
for "cachex cache import" elsewhere: another machine, the next CI job, an object
store. It has the mirrors of git repositories as well; what is kept in parts is
left out. Runs may go on meanwhile. tar --zstd -xf unpacks it to the same.

With --since what came or was put there earlier is left out. TIME is an AGE, as
2h or 7d, a day, as 2026-11-25, or a time, as 2026-11-25T16:00:00Z.

With --run it has only what a run has used, in all its forms: the last run is
"1", others as in "cachex report". A CI cache then holds each file once.

The archive has what was fetched with credentials, for those credentials alone,
as the directory has. --public leaves that out: for archives that others get.`

func newCacheExport(io streams) *cobra.Command {
	o := &cacheExport{cacheCommand: cacheCommand{io: io}}
	c := &cobra.Command{
		Use: "export [flags] [FILE|-]", Short: "Write the cache to an archive",
		Long: cacheExportLong + cacheSections("", "CACHEX_SINCE, CACHEX_RUN, CACHEX_PUBLIC"),
		Example: `  cachex cache export cache.tar.zst
  cachex cache export --since 24h - > new.tar.zst
  cachex cache export --run 1 run.tar.zst
  cachex cache export --public public.tar.zst`,
	}
	c.Flags().StringVar(&o.since, "since", "", "`TIME` before which all is left out")
	c.Flags().StringVar(&o.run, "run", "", "only what `RUN` has used")
	c.Flags().BoolVar(&o.public, "public", false, "leave out what was fetched with credentials")
	return o.command(c, cobra.MaximumNArgs(1), o.export)
}

func (o *cacheExport) export(args []string) error {
	e := store.Exporter{}
	if o.since != "" {
		var err error
		if e.Since, err = parseTime(o.since, time.Now()); err != nil {
			return &usageError{err: fmt.Errorf("--since %w", err)}
		}
	}
	if o.public {
		e.Leave = proxy.Private
	}
	toFile := len(args) == 1 && args[0] != "-"
	if !toFile && term.IsTerminal(int(o.io.out.Fd())) {
		return &usageError{err: errors.New("an archive is not for a terminal: name a FILE, or redirect standard output")}
	}
	s, err := o.read()
	if err != nil {
		return err
	}
	defer s.Close()
	if o.run != "" {
		if e.Only, err = usedBy(s, o.run); err != nil {
			return err
		}
	}
	line := newProgress(o.io.err, "exported")
	e.Added = line.add
	e.Skip = func(name, reason string) {
		line.done()
		fmt.Fprintf(o.io.err, "cachex: skipped %s: %s\n", shownName(name), reason)
	}
	write := func(w io.Writer) error { return compress(w, func(w io.Writer) error { return s.Export(w, e) }) }
	if toFile {
		err = writeWhole(args[0], write)
	} else {
		err = write(o.io.out)
	}
	line.done()
	if err != nil {
		return &exitError{err, exitFailure, ""}
	}
	fmt.Fprintf(o.io.err, "cachex: exported %s, %s\n", countOf(line.count, "file"), humanize.Bytes(uint64(line.bytes)))
	return nil
}

// compress is the fastest level: most of what is kept is compressed already.
func compress(w io.Writer, write func(io.Writer) error) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	if err := write(z); err != nil {
		z.Close()
		return err
	}
	return z.Close()
}

// writeWhole writes a file that has its name only when it is whole.
func writeWhole(name string, write func(io.Writer) error) error {
	if fi, err := os.Stat(name); err == nil && !fi.Mode().IsRegular() && !fi.IsDir() { // a pipe, /dev/stdout
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	err = write(f)
	if e := f.Chmod(0o644); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// probeWhole tells whether writeWhole could write a file. It leaves nothing.
func probeWhole(name string) error {
	switch fi, err := os.Stat(name); {
	case err == nil && fi.IsDir():
		return errors.New("it is a directory")
	case err == nil && !fi.Mode().IsRegular():
		return nil // who opens a pipe waits for its other end
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err // the name is one of ours
		}
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// parseTime reads a time, a day, or how long ago it was.
func parseTime(s string, now time.Time) (time.Time, error) {
	if age, err := parseAge(s); err == nil {
		return now.Add(-age), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q: a time is as 2h, 7d, 2026-11-25 or 2026-11-25T16:00:00Z", s)
}
