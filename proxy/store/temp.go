package store

import "os"

func (s *Store) createNamed() (*os.File, string, error) {
	name := tempDir + "/" + randomName()
	f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	return f, name, err
}
