//go:build !linux

package store

import "os"

// open opens a file beneath the directory for reading.
func (s *Store) open(name string) (*os.File, error) {
	return s.root.OpenFile(name, os.O_RDONLY|noWait, 0)
}

func (s *Store) unlink(name string) error { return s.root.Remove(name) }

func (s *Store) rmdir(name string) error { return s.root.Remove(name) }
