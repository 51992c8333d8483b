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
func (x *importing) goTo(name, meta string) error {
	dir, metaDir := path.Dir(name), path.Dir(meta)
	if x.near.dir != dir || x.near.metaDir != metaDir {
		x.near.close()
		x.near.dir, x.near.metaDir = dir, metaDir
	}
	for dir, at := range map[string]**folder{dir: &x.near.bodies, metaDir: &x.near.meta} {
		if *at != nil {
			continue
		}
		f, err := x.openFolder(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		*at = f
	}
	return nil
}

// none tells whether nothing is here of a document whose file has a name.
func (x *importing) none(name, meta string) bool {
	if x.goTo(name, meta) != nil {
		return false
	}
	return x.near.bodies.lacks(path.Base(name)) && x.near.meta.lacks(path.Base(meta))
}

// lacks tells whether nothing has a name in a folder, which may be nil for none.
func (f *folder) lacks(name string) bool {
	if f == nil {
		return true
	}
	_, err := f.stat(name)
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
	if err != nil || fi.Size() != w.size || w.temp != "" {
		return false
	}
	return x.placeFile(int(w.file.Fd()), fi.ModTime(), name, p)
}

// placeSmall is placeNew for a body that is as its metadata says.
func (x *importing) placeSmall(body []byte, name string, p *pending) bool {
	if deep(name) != nil || x.goTo(name, metaName(p.key, p.variant)) != nil {
		return false
	}
	if x.near.bodies == nil {
		var err error
		if x.near.bodies, err = x.makeFolder(x.near.dir, x.makeFolders); err != nil {
			return false
		}
	}
	// Near its name, where what walks through the folder has it at hand.
	fd, err := unix.Openat(x.near.bodies.fd, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if n, err := unix.Write(fd, body); err != nil || n != len(body) {
		return false
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Size != int64(len(body)) {
		return false
	}
	return x.placeFile(fd, infoOf(&st).modTime, name, p)
}

// placeFile gives an open file without a name that of a body.
func (x *importing) placeFile(fd int, modTime time.Time, name string, p *pending) bool {
	meta := metaName(p.key, p.variant)
	if deep(name) != nil || x.goTo(name, meta) != nil {
		return false
	}
	m := *p.meta
	m.ModTime, m.Body = modTime, nil
	m.VaryBy = m.VaryBy[:min(len(m.VaryBy), maxVaryBy)]
	b, err := json.Marshal(&m)
	if err != nil {
		return false
	}
	if x.near.meta == nil {
		if x.near.meta, err = x.makeFolder(x.near.metaDir, func(dir string) error { return x.root.MkdirAll(dir, 0o755) }); err != nil {
			return false
		}
	}
	if x.near.meta.write(path.Base(meta), b, p.used) != nil {
		return false
	}
	if x.near.bodies == nil {
		if x.near.bodies, err = x.makeFolder(x.near.dir, x.makeFolders); err != nil {
			return false
		}
	}
	if err := unix.Linkat(unix.AT_FDCWD, nameOf(fd), x.near.bodies.fd, path.Base(name), unix.AT_SYMLINK_FOLLOW); err != nil {
		return false // metadata alone is overwritten by who has a body
	}
	for range vanishings {
		if !x.missing(meta) {
			break
		}
		_ = x.writeNew(meta, b, p.used) // without, the file is the user's own
	}
	return true
}

// missing tells whether nothing has a name now, be its folder another than before.
func (x *importing) missing(name string) bool {
	f, err := x.openFolder(path.Dir(name))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.close()
	return f.lacks(path.Base(name))
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
