package store

import (
	"errors"
	"io"
	"os"
	"time"
)

// Preserve makes what is kept under a variant the answer under another one as
// well, before it is replaced. It is an error when nothing is kept.
func (s *Store) Preserve(k Key, variant, as string) error {
	if s.readOnly {
		return ErrReadOnly
	}
	e, err := s.Get(k, variant)
	if err != nil {
		return err
	}
	defer e.Close()
	if e.File == nil || e.Own {
		return &MissError{Reason: "it is no kept file"}
	}
	temp := tempDir + "/" + randomName()
	m := e.Meta
	m.Below = false
	if !s.sameFile(e.File, s.bodyName(k, variant)) || s.root.Link(s.bodyName(k, variant), temp) != nil {
		if m.ModTime, err = s.copyBody(e.File, temp); err != nil {
			return err
		}
	}
	if err := s.place(temp, k.Name(as)); err != nil {
		s.root.Remove(temp)
		return err
	}
	return s.writeMeta(k, as, &m)
}

// copyBody is for file systems without hard links, and for what is in a directory
// below.
func (s *Store) copyBody(from io.Reader, to string) (time.Time, error) {
	f, err := s.root.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return time.Time{}, err
	}
	_, err = io.Copy(f, from)
	fi, serr := f.Stat()
	if e := f.Close(); err == nil {
		err = errors.Join(serr, e)
	}
	if err != nil {
		s.root.Remove(to)
		return time.Time{}, err
	}
	return fi.ModTime(), nil
}

// bodyName is where a document's file is.
func (s *Store) bodyName(k Key, variant string) string {
	name := k.Name(variant)
	if fi, err := s.lstat(name); err == nil && fi.kind.IsDir() {
		name += "/" + selfName
	}
	return name
}
