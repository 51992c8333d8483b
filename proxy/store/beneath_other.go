//go:build !linux

package store

import "os"

// open opens a file beneath the directory for reading.
func (s *Store) open(name string) (*os.File, error) {
	return s.root.OpenFile(name, os.O_RDONLY|noWait, 0)
}

// rmdir removes a folder if it is empty.
func (s *Store) rmdir(name string) error { return s.root.Remove(name) }
