// Package store keeps answers as plain files in a directory.
//
// The body of https://HOST/PATH is the file HOST/PATH; an error answer is a
// dangling symbolic link to its status code. All else (headers, digests,
// locks) lives below .cachex, so that a body without metadata is a user's own
// file and is served as such.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// The store's own folders. None can clash with a host: a host's leading dot is
// escaped (see Key.Name).
const (
	private  = ".cachex"
	metaDir  = private + "/meta"
	tempDir  = private + "/tmp"
	locksDir = private + "/locks"
)

// ErrReadOnly is returned by calls that would change a read-only store.
var ErrReadOnly = errors.New("the cache directory is read-only")

// Store is a cache directory. It is safe for concurrent use, and any number of
// processes may have the same directory open.
type Store struct {
	dir      string
	root     *os.Root
	lower    []*Store // see layers.go
	at       *os.File // the directory that root is
	readOnly bool
	alone    bool
	salt     []byte
	unmarked atomic.Bool // uses can't be marked: see markUsed
	spares   spares
	locks    lockFolder
}

// Open opens the cache directory dir and makes it when it is missing. A
// directory that cannot be written to is opened read-only, as is any directory
// when readOnly is set.
func Open(dir string, readOnly bool) (*Store, error) { return openAbove(dir, readOnly, nil) }

func openAbove(dir string, readOnly bool, lower []*Store) (*Store, error) {
	if !readOnly {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	at, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	s := &Store{dir: dir, root: root, at: at, readOnly: readOnly}
	if err := s.prepare(lower); err != nil {
		s.Close()
		return nil, err
	}
	s.lower = lower
	return s, nil
}

// prepare makes the private folders, or notes that the directory can only be
// read, and reads the salt of credential hashes.
func (s *Store) prepare(lower []*Store) error {
	if !s.readOnly {
		for _, d := range []string{metaDir, tempDir, locksDir} {
			err := s.root.MkdirAll(d, 0o755)
			switch {
			case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
				s.readOnly = true
			case err != nil:
				return fmt.Errorf("prepare %s: %w", filepath.Join(s.dir, d), err)
			}
		}
	}
	if !s.readOnly {
		if err := s.probe(); err != nil {
			return err
		}
		s.sweep()
		s.sweepTemp(time.Now())
	}
	return s.loadSalt(lower)
}

// probe writes and removes one small file, so that a full or forbidden
// directory is noticed before a build starts and not in its middle.
func (s *Store) probe() error {
	f, err := s.root.OpenFile(tempDir+"/probe-"+randomName(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write([]byte("cachex\n"))
		f.Close()
		s.root.Remove(tempDir + "/" + path.Base(f.Name()))
	}
	switch {
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		s.readOnly = true
		return nil
	case err != nil:
		return fmt.Errorf("write to %s: %w", filepath.Join(s.dir, tempDir), err)
	}
	return nil
}

// Dir is the directory that the store was opened with.
func (s *Store) Dir() string { return s.dir }

// Alone makes Lock return at once. It is for a process of which another one that
// holds the directory's locks sees every request anyway. Call it before use.
func (s *Store) Alone() { s.alone = true }

// ReadOnly tells whether nothing can be kept.
func (s *Store) ReadOnly() bool { return s.readOnly }

// HasHost tells whether anything was ever kept from a host ("name" or
// "name:port").
func (s *Store) HasHost(host string) bool {
	return s.anyLayer(Key{Host: host, Target: "/"}.hostName())
}

// Close releases the directory. Entries that are open stay readable.
func (s *Store) Close() error {
	s.dropSpares(true)
	err := errors.Join(s.at.Close(), s.root.Close())
	for _, l := range s.lower {
		err = errors.Join(err, l.Close())
	}
	return err
}
