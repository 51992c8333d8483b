package store

import (
	"errors"
	"io/fs"
)

// manyLock is a lock file that takes the names of others' for a moment each, for
// who changes a great many documents one after the other. A file made and removed
// for each is dear: a file system looks for a number that was not given back lately
// (ext4 for five seconds), among thousands. Removing 38,000 documents took 104 s
// with a file for each, 52 s of it in the kernel.
type manyLock struct {
	store *Store
	lock  *Lock
}

// newManyLock makes the file. Close it.
func (s *Store) newManyLock() (*manyLock, error) {
	l, err := s.tryLock(locksDir + "/many-" + randomName())
	if err != nil {
		return nil, err
	}
	if l == nil || l.file == nil {
		return &manyLock{store: s}, nil // a full disk: as without
	}
	return &manyLock{s, l}, nil
}

func (m *manyLock) close() { m.lock.Unlock() }

// edit is Store.edit, but nil when another has that right.
func (m *manyLock) edit(k Key, variant string) (unlock func(), err error) {
	name := editName(k, variant)
	if m.lock != nil {
		switch err := m.store.root.Link(m.lock.name, name); {
		case err == nil:
			return func() { m.store.root.Remove(name) }, nil
		case errors.Is(err, fs.ErrExist):
			return nil, nil
		}
	}
	// No hard links here.
	l, err := m.store.tryLock(name)
	if l == nil || err != nil {
		return nil, err
	}
	return l.Unlock, nil
}

// discardIdle is Discard of what nobody has used or is fetching.
func (g *collection) discardIdle(k Key, f Form) (freed int64, err error) {
	if _, err := g.root.Lstat(lockName(k, f.Variant)); err == nil {
		return 0, nil // who begins now changes nothing before it may edit
	}
	unlock, err := g.lock.edit(k, f.Variant)
	if unlock == nil || err != nil {
		return 0, err
	}
	defer unlock()
	if !g.asVisited(k, f, true) {
		return 0, nil
	}
	return g.discard(k, f)
}
