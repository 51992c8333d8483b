//go:build !linux

package store

import "os"

// open opens a file beneath the directory for reading.
func (s *Store) open(name string) (*os.File, error) {
	return s.root.OpenFile(name, os.O_RDONLY|noWait, 0)
}

// readFile reads a small file.
func (s *Store) readFile(name string, most int64) ([]byte, readState, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, readState{}, err
	}
	return readOpened(f, most)
}

// openLock opens the file of a lock, and makes it if it is missing.
func (s *Store) openLock(name string) (*os.File, error) {
	return s.root.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
}

// rmdir removes a folder if it is empty.
func (s *Store) rmdir(name string) error { return s.root.Remove(name) }
