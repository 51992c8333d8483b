//go:build !linux

package store

import (
	"os"
	"time"
)

// lstat describes what has a name.
func (s *Store) lstat(name string) (fileInfo, error) {
	fi, err := s.root.Lstat(name)
	if err != nil {
		return fileInfo{}, err
	}
	return infoOf(fi), nil
}

// readlink is what a link leads to.
func (s *Store) readlink(name string) (string, error) { return s.root.Readlink(name) }

// rename gives a file another name, in place of what has that.
func (s *Store) rename(from, to string) error { return s.root.Rename(from, to) }

// mkdir makes one folder.
func (s *Store) mkdir(name string) error { return s.root.Mkdir(name, 0o755) }

// writeTemp writes a temporary file, and gives its name.
func (s *Store) writeTemp(b []byte, modTime time.Time) (string, error) {
	name := tempDir + "/" + randomName()
	f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil && !modTime.IsZero() {
		err = s.root.Chtimes(name, time.Time{}, modTime)
	}
	if err != nil {
		s.root.Remove(name)
		return "", err
	}
	return name, nil
}
