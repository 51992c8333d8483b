//go:build !linux

package store

import "os"

func (s *Store) createTemp() (*os.File, string, error) { return s.createNamed() }

func (w *Writer) link() error { return nil }
