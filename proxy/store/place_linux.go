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

// A document of which nothing is here needs no lock of its own to be put there, which
// is a file made and removed again: the metadata comes first, and alone it is no answer;
// then the body gets its name, by a call that replaces nothing. 10^5 files of 1 KiB took
// an import six minutes with locks, and tar half a minute; a miss took 60 system calls,
// and takes 40.

// nearby are the folders of the document that came last: mostly they are those of
// the next. One that is not there is nil.
type nearby struct {
	dir, metaDir string
	bodies, meta *folder
}

func (n *nearby) close() {
	for _, f := range []*folder{n.bodies, n.meta} {
		if f != nil {
			f.close()
		}
	}
	*n = nearby{}
}

// goTo opens the folders of a document's file and of its metadata. An error is
// that they can't be opened; they may be missing.
func (n *nearby) goTo(s *Store, name, meta string) error {
	dir, metaDir := path.Dir(name), path.Dir(meta)
	if n.dir != dir || n.metaDir != metaDir {
		n.close()
		n.dir, n.metaDir = dir, metaDir
	}
	for dir, at := range map[string]**folder{dir: &n.bodies, metaDir: &n.meta} {
		if *at != nil {
			continue
		}
		f, err := s.openFolder(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		*at = f
	}
	return nil
}

// lacks tells whether nothing has a name in a folder, which may be nil for none.
func (f *folder) lacks(name string) bool {
	if f == nil {
		return true
	}
	_, err := f.stat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// newcomer is a document of which nothing is here.
type newcomer struct {
	name, meta string    // of its file, and of that of its metadata
	text       []byte    // its metadata
	used       time.Time // the last time, zero for now
}

// placeNew gives an open file without a name that of a body. It reports false when it
// did not: then there may be metadata, which is overwritten by who has a body.
func (s *Store) placeNew(near *nearby, fd int, c newcomer) bool {
	if deep(c.name) != nil || near.goTo(s, c.name, c.meta) != nil {
		return false
	}
	var err error
	if near.meta == nil {
		if near.meta, err = s.makeFolder(near.metaDir, s.mkdirAll); err != nil {
			return false
		}
	}
	if near.meta.write(path.Base(c.meta), c.text, c.used) != nil {
		return false
	}
	if near.bodies == nil {
		if near.bodies, err = s.makeFolder(near.dir, s.makeFolders); err != nil {
			return false
		}
	}
	return unix.Linkat(unix.AT_FDCWD, nameOf(fd), near.bodies.fd, path.Base(c.name), unix.AT_SYMLINK_FOLLOW) == nil
}

// commitNew is Commit for a document of which nothing is here. It reports false when that
// was not so, or when somebody took the metadata for an orphan's.
func (w *Writer) commitNew(k Key, variant string, m *Meta) bool {
	s := w.store
	if w.temp != "" || len(s.lower) > 0 { // where a lower one's metadata may be what is alone
		return false
	}
	text, err := json.Marshal(m)
	if err != nil {
		return false
	}
	c := newcomer{name: k.Name(variant), meta: metaName(k, variant), text: text}
	if m.Mine {
		c.used = always()
	}
	var near nearby
	defer near.close()
	if !s.placeNew(&near, int(w.file.Fd()), c) {
		return false
	}
	now, err := s.readMeta(k, variant)
	return err == nil && now.SHA256 == m.SHA256 && now.ModTime.Equal(m.ModTime)
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

// write writes a file that is not there yet, of a time unless that is zero or to be.
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
