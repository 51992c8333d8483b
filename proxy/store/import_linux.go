package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Most of an import is documents of which nothing is here. They need no locks,
// each of which is a file made and removed again: the metadata comes first, and
// alone it is no answer; then the body gets its name, by a call that replaces
// nothing. 10^5 files of 1 KiB took six minutes with the locks of documents that
// may be there, and tar half a minute.

// none tells whether nothing is here of a document whose file has a name.
func (x *importing) none(name, meta string) bool { return x.missing(name) && x.missing(meta) }

func (x *importing) missing(name string) bool {
	f, err := x.openFolder(path.Dir(name))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.close()
	_, err = f.stat(path.Base(name))
	return errors.Is(err, fs.ErrNotExist)
}

// vanishings is how often metadata is written anew that another process took for
// an orphan's.
const vanishings = 3

// placeNew makes a body that answer of which nothing is here. It reports false
// when it did not: somebody else was putting it there, or the file system can't
// do it in this way.
func (x *importing) placeNew(w *Writer, name string, p *pending) bool {
	fi, err := w.file.Stat()
	if err != nil || fi.Size() != w.size || w.temp != "" || deep(name) != nil {
		return false
	}
	m := *p.meta
	m.Size, m.SHA256, m.ModTime, m.Body = w.size, w.SHA256(), fi.ModTime(), nil
	m.VaryBy = m.VaryBy[:min(len(m.VaryBy), maxVaryBy)]
	b, err := json.Marshal(&m)
	if err != nil {
		return false
	}
	if x.writeNew(metaName(p.key, p.variant), b, p.used) != nil {
		return false
	}
	bodies, err := x.makeFolder(path.Dir(name), x.makeFolders)
	if err != nil {
		return false
	}
	defer bodies.close()
	if err := unix.Linkat(unix.AT_FDCWD, w.self(), bodies.fd, path.Base(name), unix.AT_SYMLINK_FOLLOW); err != nil {
		return false // metadata alone is overwritten by who has a body
	}
	for range vanishings {
		if !x.missing(metaName(p.key, p.variant)) {
			break
		}
		_ = x.writeNew(metaName(p.key, p.variant), b, p.used) // without, the file is the user's own
	}
	return true
}

// writeNew writes a file that is not there yet, of a time unless that is zero or
// to be.
func (s *Store) writeNew(name string, b []byte, t time.Time) error {
	f, err := s.makeFolder(path.Dir(name), func(dir string) error { return s.root.MkdirAll(dir, 0o755) })
	if err != nil {
		return err
	}
	defer f.close()
	return f.write(path.Base(name), b, t)
}

// makeFolder opens a folder, and makes it if it is missing.
func (s *Store) makeFolder(dir string, mk func(string) error) (*folder, error) {
	f, err := s.openFolder(dir)
	if err == nil {
		return f, nil
	}
	if err := mk(dir); err != nil {
		return nil, err
	}
	return s.openFolder(dir)
}

// write is writeNew in the folder.
func (f *folder) write(name string, b []byte, t time.Time) error {
	fd, err := unix.Openat(f.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	n, err := unix.Write(fd, b)
	if err == nil && n < len(b) {
		err = syscall.ENOSPC
	}
	if now := time.Now(); err == nil && !t.IsZero() && (t.Before(now) || isAlways(t, now)) {
		at := unix.NsecToTimespec(t.UnixNano())
		err = unix.UtimesNanoAt(f.fd, name, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, at}, unix.AT_SYMLINK_NOFOLLOW)
	}
	if e := unix.Close(fd); err == nil {
		err = e
	}
	if err != nil {
		_ = unix.Unlinkat(f.fd, name, 0) // it is no answer in any case
	}
	return err
}
