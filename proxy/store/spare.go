package store

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"
)

// spares are files of locks that are not in use. The store holds each (flock)
// while it is open, under a name of its own; as a lock it has the lock's name as
// well. To make a file for each lock and to remove it again was half of a miss's
// time: ext4 gives the inode of a removed file to no other one for minutes, and a
// new file goes past all of those one by one.
type spares struct {
	mu   sync.Mutex
	free []spare
	idle *time.Timer // nil before the first
	done bool        // no more are kept
}

// spare is such a file. Its name is one in the folder of locks.
type spare struct {
	file *os.File
	name string
}

// maxSpares is how many are kept: about as many as builds have downloads at once.
const maxSpares = 64

// spareIdle is how long they are kept with no lock taken: who has a file open for
// writing keeps the file system from being made read-only.
const spareIdle = time.Second

const sparePrefix = "spare-"

func (p *spares) take() (spare, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return spare{}, false
	}
	x := p.free[n-1]
	p.free = p.free[:n-1]
	return x, true
}

// wanted tells whether put would keep another one.
func (p *spares) wanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.done && len(p.free) < maxSpares
}

func (s *Store) putSpare(x spare) bool {
	p := &s.spares
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || len(p.free) >= maxSpares {
		return false
	}
	p.free = append(p.free, x)
	if p.idle == nil {
		p.idle = time.AfterFunc(spareIdle, func() { s.dropSpares(false) })
	} else {
		p.idle.Reset(spareIdle)
	}
	return true
}

// reuse takes a lock with a spare file: link(2) never replaces a name. It is nil
// when there is none, or another may have the lock.
func (s *Store) reuse(name string) *Lock {
	x, ok := s.spares.take()
	if !ok {
		return nil
	}
	err := s.inLocks(func(dir *folder) error { return dir.link(x.name, path.Base(name)) })
	switch {
	case err == nil:
		return &Lock{store: s, file: x.file, name: name, spare: x.name, reusable: true, blank: true}
	case !errors.Is(err, fs.ErrExist) || !s.putSpare(x):
		s.dropSpare(x) // somebody has removed it, or its folder
	}
	return nil
}

// spareFile keeps the file of a lock that is given back. It reports false when
// the file has to go. Who follows a published body looks at the lock's file to
// learn of its end: that one can't be another's next.
func (l *Lock) spareFile() bool {
	s := l.store
	if !l.reusable || l.published != nil || !s.spares.wanted() {
		return false
	}
	if !l.blank {
		// A killed process's must name no document. To cut it off would have the next
		// one allocate its page anew.
		if _, err := l.file.WriteAt([]byte{'\n'}, 0); err != nil {
			return false
		}
	}
	err := s.inLocks(func(dir *folder) error {
		if l.spare == "" {
			name := sparePrefix + randomName()
			if err := dir.link(path.Base(l.name), name); err != nil {
				return err // no hard links here
			}
			l.spare = name
		}
		return dir.unlink(path.Base(l.name))
	})
	if err != nil {
		return false
	}
	// From here on the lock's name may be another's.
	if x := (spare{l.file, l.spare}); !s.putSpare(x) {
		s.dropSpare(x)
	}
	return true
}

func (s *Store) dropSpare(x spare) {
	s.root.Remove(locksDir + "/" + x.name)
	x.file.Close()
}

// dropSpares removes all that are not in use. With done set it is for the last
// time: no more are kept.
func (s *Store) dropSpares(done bool) {
	s.spares.mu.Lock()
	defer s.spares.mu.Unlock() // Close, which closes the directory next, waits
	for _, x := range s.spares.free {
		s.dropSpare(x)
	}
	s.spares.free = nil
	s.locks.close()
	if s.spares.done = s.spares.done || done; s.spares.done && s.spares.idle != nil {
		s.spares.idle.Stop()
	}
}

// lockFolder is the folder of locks, which is kept open while locks are taken.
type lockFolder struct {
	mu     sync.RWMutex
	dir    *folder // nil for none
	opened time.Time
}

// lockFolderAge is how long, as somebody may put another folder in its place.
const lockFolderAge = time.Second

// inLocks does something in the folder of locks.
func (s *Store) inLocks(do func(*folder) error) error {
	l := &s.locks
	for {
		l.mu.RLock()
		if l.dir != nil && time.Since(l.opened) < lockFolderAge {
			defer l.mu.RUnlock()
			return do(l.dir)
		}
		l.mu.RUnlock()
		if err := l.open(s); err != nil {
			return err
		}
	}
}

func (l *lockFolder) open(s *Store) error {
	l.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dir != nil {
		return nil // another has opened it
	}
	dir, err := s.openFolder(locksDir)
	if err != nil {
		return err
	}
	l.dir, l.opened = dir, time.Now()
	return nil
}

func (l *lockFolder) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dir != nil {
		l.dir.close()
		l.dir = nil
	}
}
