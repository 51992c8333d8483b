package store

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
)

// Discarder removes forms of a great many documents, one after the other. It is not
// for several goroutines. Close it.
//
// What it saves is the way to each file: it keeps the folders open that it was in
// last, and removes those that are empty when it leaves them. With a way for each,
// and a lock file made for each, removing 40,000 documents took twice as long as
// rm(1) does.
type Discarder struct {
	store *Store
	// lock is a file that takes the names of other locks for a moment each. A file
	// made for each is dear: a file system looks for a number that was not given
	// back lately (ext4 for five seconds), among thousands. nil is none.
	lock    *Lock
	folders []*worked
}

// worked is an open folder in which something is done.
type worked struct {
	*folder
	dir     string
	left    int  // how often it may be used still
	emptier bool // something was removed from it
}

// workedMost is how many folders are kept open: for bodies, metadata, locks and
// parts.
const workedMost = 4

// workedUses is how often an open folder is used before its name is looked up again:
// who moves a folder away keeps what was in it.
const workedUses = 64

// NewDiscarder makes one. It is ErrReadOnly when the directory is.
func (s *Store) NewDiscarder() (*Discarder, error) {
	if s.readOnly {
		return nil, ErrReadOnly
	}
	l, err := s.tryLock(locksDir + "/many-" + randomName())
	if err != nil {
		return nil, err
	}
	if l == nil || l.file == nil {
		l = nil // a full disk: as without
	}
	return &Discarder{store: s, lock: l}, nil
}

// Close removes what folders are empty. A nil Discarder may be closed.
func (d *Discarder) Close() {
	if d == nil {
		return
	}
	for len(d.folders) > 0 {
		d.leave(0)
	}
	d.lock.Unlock()
}

// Discard removes a form, as it was when it was visited, and gives the bytes that
// are free now. What was changed since stays. Clients that are reading it go on
// doing so.
func (d *Discarder) Discard(k Key, f Form) (freed int64, err error) {
	unlock, err := d.edit(lockName(k, f.Variant), true)
	if err != nil {
		return 0, err
	}
	defer unlock()
	return d.discard(k, f, false)
}

// DiscardIdle is Discard of what nobody has used since, or is fetching.
func (d *Discarder) DiscardIdle(k Key, f Form) (freed int64, err error) {
	lock := lockName(k, f.Variant)
	if _, err := d.stat(lock); err == nil {
		return 0, nil // who begins now changes nothing before it may edit
	}
	unlock, err := d.edit(lock, false)
	if unlock == nil || err != nil {
		return 0, err
	}
	defer unlock()
	return d.discard(k, f, true)
}

// edit is Store.edit. When another has that right it waits, or returns nil.
func (d *Discarder) edit(lock string, wait bool) (unlock func(), err error) {
	name := lock + editExt
	if d.lock != nil {
		switch err := d.link(d.lock.name, name); {
		case err == nil:
			return func() { _ = d.unlink(name) }, nil
		case errors.Is(err, fs.ErrExist) && !wait:
			return nil, nil
		}
	}
	// No hard links here, or another has it.
	if wait {
		l, _, err := d.store.waitLock(context.Background(), name, waiting{})
		return l.Unlock, err
	}
	l, err := d.store.tryLock(name)
	if l == nil || err != nil {
		return nil, err
	}
	return l.Unlock, nil
}

// discard removes a form if it is still what it was.
func (d *Discarder) discard(k Key, f Form, idle bool) (freed int64, err error) {
	if !d.store.asVisited(d.stat, k, f, idle) {
		return 0, nil
	}
	return d.remove(k, f)
}

// remove removes the body first: metadata alone is no answer, a body alone is.
func (d *Discarder) remove(k Key, f Form) (freed int64, err error) {
	if f.Kind == FormParts {
		name := partsName(k, f.Variant)
		_ = d.unlink(name + metaExt)
		_ = d.unlink(name + dataExt)
		return f.Size, nil
	}
	if f.Name != "" {
		freed, err = d.removeFile(f.Name, f.Size)
	}
	if f.Own() || err != nil {
		return freed, err
	}
	n, err := d.removeFile(metaName(k, f.Variant), f.MetaSize)
	return freed + n, err
}

func (d *Discarder) removeFile(name string, size int64) (freed int64, err error) {
	switch err := d.unlink(name); {
	case err == nil:
		return size, nil
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	default:
		return 0, err
	}
}

// stat describes what has a name.
func (d *Discarder) stat(name string) (fileInfo, error) {
	w, base, err := d.in(name)
	if err != nil {
		return fileInfo{}, err
	}
	return w.stat(base)
}

// unlink removes a file or a link.
func (d *Discarder) unlink(name string) error {
	w, base, err := d.in(name)
	if err != nil {
		return err
	}
	w.emptier = true
	return w.unlink(base)
}

// link gives a file another name in the same folder.
func (d *Discarder) link(from, to string) error {
	w, base, err := d.in(to)
	if err != nil {
		return err
	}
	return w.link(path.Base(from), base)
}

// in has the folder of a file open, and the file's name in it.
func (d *Discarder) in(name string) (*worked, string, error) {
	dir, base := path.Dir(name), path.Base(name)
	i := slices.IndexFunc(d.folders, func(w *worked) bool { return w.dir == dir })
	if i >= 0 && d.folders[i].left == 0 {
		d.leave(i)
		i = -1
	}
	if i < 0 {
		f, err := d.store.openFolder(dir)
		if err != nil {
			return nil, "", err
		}
		if len(d.folders) == workedMost {
			d.leave(0)
		}
		i = len(d.folders)
		d.folders = append(d.folders, &worked{folder: f, dir: dir, left: workedUses})
	}
	w := d.folders[i]
	w.left--
	d.folders = append(slices.Delete(d.folders, i, i+1), w) // the last is the latest
	return w, base, nil
}

// leave closes a folder, and removes it and those above if they are empty, but no
// tree's own. Writers make what they miss.
func (d *Discarder) leave(i int) {
	w := d.folders[i]
	d.folders = slices.Delete(d.folders, i, i+1)
	w.close()
	if !w.emptier {
		return
	}
	for dir := w.dir; dir != "." && dir != metaDir && dir != partsDir && dir != locksDir; dir = path.Dir(dir) {
		if d.store.rmdir(dir) != nil {
			return
		}
	}
}

// asVisited tells whether a form is still what it was, and with idle whether nobody
// has used it since. stat is the store's lstat, or as good.
func (s *Store) asVisited(stat func(string) (fileInfo, error), k Key, f Form, idle bool) bool {
	if f.Kind == FormParts {
		fi, err := stat(partsName(k, f.Variant) + metaExt)
		return err != nil || !idle || fi.modTime.Equal(f.Used)
	}
	if f.Name == "" {
		if fi, err := stat(s.bodyName(k, f.Variant)); err == nil && !fi.kind.IsDir() {
			return false // it came while the folder was listed
		}
	}
	if f.Name != "" && f.Kind == FormFile {
		fi, err := stat(f.Name)
		if err == nil && (fi.kind.IsDir() || fi.kind.IsRegular() && !fi.modTime.Equal(f.ModTime)) {
			return false
		}
	}
	fi, err := stat(metaName(k, f.Variant))
	switch {
	case f.Own():
		return err != nil
	case err != nil:
		return true // removed meanwhile, which is as good
	}
	return !idle || fi.modTime.Equal(f.Used)
}
