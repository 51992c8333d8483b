package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// Lock is the right to fetch one document. One process has it at a time.
//
// Its file is there from before a document is changed until both body and
// metadata are in place, and its first line names the document. A file that nobody
// holds is therefore the trace of a killed process: sweep mends what that one left.
type Lock struct {
	store     *Store
	file      *os.File
	name      string
	published *Writer // nil without
	spare     string  // the other name of its file, "" for none
	reusable  bool    // its file may become a spare one
	blank     bool    // its file names no document
	covers    int64   // the length of the line that does
}

// lockPoll is how often a lock that another process holds is tried again.
// Polling works on every file system and can be cancelled, flock(2) can't.
const lockPoll = 5 * time.Millisecond

// lockPatience is how long a lock is waited for. Clients give up after some 15
// seconds without a byte (pip), and a holder may be stopped, or download
// something large: then two fetches are better than a failed build. Commits
// are whole in any case.
const lockPatience = 10 * time.Second

// maxLock bounds a lock's file: a name, and the header of an answer.
const maxLock = 512 << 10

func lockName(k Key, variant string) string {
	sum := sha256.Sum256([]byte(k.Name(variant)))
	return locksDir + "/" + hex.EncodeToString(sum[:16])
}

// Lock waits until no other process fetches the document, or has done so for
// longer than clients wait. In a read-only store, where nothing is kept, and
// after Alone, it returns at once.
func (s *Store) Lock(ctx context.Context, k Key, variant string) (*Lock, error) {
	l, _, err := s.lock(ctx, k, variant, waiting{})
	return l, err
}

// LockOrFollow is Lock, or when the process that has the lock has published
// the body that it is writing, that body and no lock. Neither comes when over, which
// is asked each time before the lock is tried again, says that it is not wanted any
// more; nil never does.
func (s *Store) LockOrFollow(ctx context.Context, k Key, variant string, over func() bool) (*Lock, *Partial, error) {
	return s.lock(ctx, k, variant, waiting{func(name string) *Partial { return s.follow(k, name) }, over})
}

// waiting is what may end the waiting for a lock, beside the lock. Each may be nil.
type waiting struct {
	follow func(name string) *Partial
	over   func() bool
}

func (s *Store) lock(ctx context.Context, k Key, variant string, w waiting) (*Lock, *Partial, error) {
	if s.readOnly || s.alone {
		return &Lock{}, nil, nil
	}
	l, p, err := s.waitLock(ctx, lockName(k, variant), w)
	if err != nil || l == nil || l.file == nil {
		return l, p, err
	}
	if err := l.Cover(k, variant); err != nil {
		// A full disk: nothing will be kept, so nothing need be mended.
		l.Unlock()
		return &Lock{}, nil, nil
	}
	return l, nil, nil
}

// Cover says which document is about to be changed under the lock: the answer
// may turn out to be another variant than the one that was asked for. Call it
// before Publish. A lock that nothing holds covers nothing.
func (l *Lock) Cover(k Key, variant string) error {
	if l == nil || l.file == nil {
		return nil
	}
	line := append([]byte(k.Name(variant)), '\n')
	_, err := l.file.WriteAt(line, 0) // what follows it is of no meaning
	l.covers = int64(len(line))
	l.blank = false
	return err
}

// waitLock tries until it has the lock, or something to follow, or it is over.
func (s *Store) waitLock(ctx context.Context, name string, w waiting) (*Lock, *Partial, error) {
	patience := time.After(lockPatience)
	for {
		l, err := s.tryLock(name)
		if err != nil || l != nil {
			return l, nil, err
		}
		if w.follow != nil {
			if p := w.follow(name); p != nil {
				return nil, p, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-patience:
			return &Lock{}, nil, nil
		case <-time.After(lockPoll):
		}
		if w.over != nil && w.over() {
			return nil, nil, nil
		}
	}
}

// tryLock returns nil and no error when another holds the lock.
func (s *Store) tryLock(name string) (*Lock, error) {
	if l := s.reuse(name); l != nil {
		return l, nil
	}
	l, err := s.tryFile(name)
	if l != nil && l.file != nil {
		l.reusable = true
	}
	return l, err
}

// tryFile is tryLock with the file of that name, which is made if it is missing.
func (s *Store) tryFile(name string) (*Lock, error) {
	f, err := s.openLock(name)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		return &Lock{}, nil // a full disk: fetch without
	}
	if !flockFile(f) {
		f.Close()
		return nil, nil
	}
	// Whoever had the lock may have removed the file since it was opened.
	opened, err1 := f.Stat()
	named, err2 := s.root.Lstat(name)
	if err1 != nil || err2 != nil || !os.SameFile(opened, named) {
		f.Close()
		return nil, nil
	}
	return &Lock{store: s, file: f, name: name, blank: opened.Size() == 0}, nil
}

// Unlock gives the right back. The zero Lock may be unlocked.
func (l *Lock) Unlock() {
	if l == nil || l.file == nil {
		return
	}
	l.tellKept()
	if !l.spareFile() {
		l.store.root.Remove(l.name)
		if l.spare != "" {
			l.store.root.Remove(locksDir + "/" + l.spare)
		}
		l.file.Close()
	}
	l.file = nil
}

// edit is the right to change an answer's file and metadata, which only make
// sense together. Unlike a Lock it is held for a moment alone, by all who write
// either, under whatever Lock or none: answers to HEAD, requests that
// invalidate, and fetches that turn out to be of another variant have none.
func (s *Store) edit(k Key, variant string) *Lock {
	l, _, err := s.waitLock(context.Background(), editName(k, variant), waiting{})
	if err != nil {
		return &Lock{} // a directory that can't be written to: what follows says so
	}
	return l
}

const editExt = "-edit"

func editName(k Key, variant string) string { return lockName(k, variant) + editExt }

// writing tells whether a document is being changed, or was when a process
// died: then its file may lack its metadata.
func (s *Store) writing(k Key, variant string) bool {
	_, err := s.lstat(editName(k, variant))
	return err == nil || s.fetching(k, variant)
}

// fetching tells whether somebody has a document's Lock, or had when a process died.
// Its metadata may be there before its file.
func (s *Store) fetching(k Key, variant string) bool {
	_, err := s.lstat(lockName(k, variant))
	return err == nil
}

// sweep mends what killed processes left: a body whose metadata never came
// would pass for a user's own file, and metadata whose body never came says that
// somebody has removed it.
func (s *Store) sweep() {
	dir, err := s.root.Open(locksDir)
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // a part is swept as well as all
	for _, n := range names {
		l, err := s.tryFile(locksDir + "/" + n)
		if err != nil || l == nil || l.file == nil {
			continue
		}
		s.mend(l.file)
		l.Unlock()
	}
}

// mend removes the document that a lock's file names if it has no metadata of
// its own, and metadata that has no document.
func (s *Store) mend(lock io.Reader) {
	b, err := io.ReadAll(io.LimitReader(lock, maxLock))
	if err != nil || len(b) == 0 {
		return
	}
	name, _, _ := bytes.Cut(b, []byte("\n"))
	k, variant, err := ParseName(string(name))
	if err != nil {
		return
	}
	m, err := s.readMeta(k, variant)
	f, fi, missing := s.openBody(string(name))
	if missing != nil {
		if errors.Is(missing, fs.ErrNotExist) && err == nil && m.HasFile() && !m.Below && len(m.VaryBy) == 0 {
			s.remove(k, variant)
		}
		return
	}
	defer f.Close()
	if err != nil || m.Size != fi.Size() || !m.ModTime.Equal(fi.ModTime()) && !s.sameDigest(f, m.SHA256) {
		s.remove(k, variant)
	}
}
