package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"cachex/cmd/cachex/report"
	"cachex/proxy/lock"
)

// lockfile is what --lock names. The zero value is none.
type lockfile struct {
	path   string // "" without --lock
	frozen bool
	named  *lock.File     // of a frozen run
	got    *lock.Recorder // of another
}

// openLock reads the file, which need not be there if it is to be written.
func openLock(path string, frozen bool) (lockfile, error) {
	l := lockfile{path: path, frozen: frozen}
	if path == "" {
		return l, nil
	}
	f, err := readLock(path)
	switch {
	case frozen && errors.Is(err, fs.ErrNotExist):
		return l, &exitError{fmt.Errorf("there is no lock %s", path), exitInternal, "the same command without --frozen makes it"}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return l, lockError(err, exitInternal)
	case frozen:
		l.named = f
	default:
		l.got = &lock.Recorder{}
	}
	return l, nil
}

func readLock(path string) (*lock.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return lock.Parse(f, path)
}

// lockError adds what can be done about a file that is no lock.
func lockError(err error, status int) error {
	hint := "correct the line, or remove the file and record it again: cachex run --lock FILE"
	switch {
	case errors.Is(err, lock.ErrVersion):
		hint = "a newer cachex reads it"
	case errors.Is(err, lock.ErrConflict):
		hint = "take the lines of both sides, one of each URL, and take out the marks"
	case errors.Is(err, lock.ErrForeign):
		hint = "name another file, or remove this one and record it again: cachex run --lock FILE"
	case errors.Is(err, lock.ErrDisagree):
		hint = "keep one of the two lines: the one whose answer the command is to get"
	case errors.Is(err, fs.ErrPermission):
		hint = ""
	}
	return &exitError{fmt.Errorf("read the lock: %w", err), status, hint}
}

// probe makes and removes a file where the lock is to be, so that what can't be
// written is noticed before the command runs.
func (l *lockfile) probe() error {
	if l.got == nil {
		return nil
	}
	at := l.target()
	if fi, err := os.Stat(at); err == nil && !fi.Mode().IsRegular() {
		return l.unwritable(errors.New("it is no file"))
	}
	f, err := os.CreateTemp(filepath.Dir(at), "."+filepath.Base(at)+"-*")
	if err != nil {
		return l.unwritable(err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (l *lockfile) unwritable(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // the name is one of ours
	}
	return &exitError{fmt.Errorf("write the lock %s: %w", l.path, err), exitInternal, "name a file in a directory that you may write to"}
}

// target is the file itself where the name is a link, though it may lead to what
// is not there yet.
func (l *lockfile) target() string {
	if at, err := filepath.EvalSymlinks(l.path); err == nil {
		return at
	}
	at, err := os.Readlink(l.path)
	switch {
	case err != nil:
		return l.path
	case filepath.IsAbs(at):
		return at
	}
	return filepath.Join(filepath.Dir(l.path), at)
}

// lockNote is what a report says of a lock.
type lockNote struct {
	path   string
	frozen bool
	failed bool // the command: nothing was written
	lines  int
	lock.Merged
}

// save adds what a run has received to the file, as it is by now: another run may
// have written it. A command that failed has not received all, or the wrong: then
// it stays as it is.
func (l *lockfile) save(succeeded bool) (lockNote, error) {
	note := lockNote{path: l.path, frozen: l.frozen, failed: !succeeded}
	if l.got == nil || !succeeded {
		return note, nil
	}
	at := l.target()
	defer alone(filepath.Dir(at))()
	was, err := os.ReadFile(at)
	f := &lock.File{}
	switch {
	case err == nil:
		if f, err = lock.Parse(bytes.NewReader(was), l.path); err != nil {
			return note, lockError(err, exitInternal)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return note, l.unwritable(err)
	}
	note.Merged = l.got.MergeInto(f)
	note.lines = f.Len()
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		return note, err
	}
	if bytes.Equal(b.Bytes(), was) {
		return note, nil
	}
	err = writeWhole(at, func(w io.Writer) error {
		_, err := w.Write(b.Bytes())
		return err
	})
	if err != nil {
		return note, l.unwritable(err)
	}
	return note, nil
}

// note says what has become of the lock; nil says nothing.
func (n lockNote) note() []report.Note {
	switch {
	case n.path == "" || n.frozen:
		return nil
	case n.failed:
		return []report.Note{{Kind: "note", Text: "the command failed: " + n.path + " stays as it was"}}
	}
	line := fmt.Sprintf("%s names %s", n.path, report.Plural(n.lines, "answer"))
	if n.Added > 0 {
		line += fmt.Sprintf(", %d new", n.Added)
	}
	if n.Changed > 0 {
		line += fmt.Sprintf(", %d changed", n.Changed)
	}
	return []report.Note{{Kind: "lock", Text: line}}
}
