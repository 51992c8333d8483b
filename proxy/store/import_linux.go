package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// Most of an import is documents of which nothing is here (see place_linux.go).

// none tells whether nothing is here of a document whose file has a name.
func (x *importing) none(name, meta string) bool {
	if x.near.goTo(x.Store, name, meta) != nil {
		return false
	}
	return x.near.bodies.lacks(path.Base(name)) && x.near.meta.lacks(path.Base(meta))
}

// placeBody makes a body that answer of which nothing is here. It reports false
// when it did not: somebody else was putting it there, or the file system can't
// do it in this way.
func (x *importing) placeBody(w *Writer, name string, p *pending) bool {
	fi, err := w.file.Stat()
	if err != nil || fi.Size() != w.size || w.temp != "" {
		return false
	}
	return x.placeFile(int(w.file.Fd()), fi.ModTime(), name, p)
}

// placeSmall is placeBody for a body that is as its metadata says.
func (x *importing) placeSmall(body []byte, name string, p *pending) bool {
	if deep(name) != nil || x.near.goTo(x.Store, name, metaName(p.key, p.variant)) != nil {
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
	m := *p.meta
	m.ModTime, m.Body = modTime, nil
	m.VaryBy = m.VaryBy[:min(len(m.VaryBy), maxVaryBy)]
	text, err := json.Marshal(&m)
	if err != nil {
		return false
	}
	c := newcomer{name: name, meta: metaName(p.key, p.variant), text: text, used: p.used}
	if !x.placeNew(&x.near, fd, c) {
		return false
	}
	for range vanishings {
		if !x.missing(c.meta) {
			break
		}
		_ = x.writeNew(c) // without, the file is the user's own
	}
	return true
}

// vanishings is how often metadata is written anew that another process took for
// an orphan's.
const vanishings = 3

// missing tells whether nothing has a name now, be its folder another than before.
func (x *importing) missing(name string) bool {
	f, err := x.openFolder(path.Dir(name))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.close()
	return f.lacks(path.Base(name))
}

// writeNew writes metadata that is not there.
func (x *importing) writeNew(c newcomer) error {
	f, err := x.makeFolder(path.Dir(c.meta), x.mkdirAll)
	if err != nil {
		return err
	}
	defer f.close()
	return f.write(path.Base(c.meta), c.text, c.used)
}
