package store

import (
	"errors"
	"io/fs"
	"path"
)

// Meta is what is known of an answer, without its body. It marks no use.
func (s *Store) Meta(k Key, variant string) (*Meta, error) { return s.readMeta(k, variant) }

// Path is where a document's file is or would be, relative to the directory.
func (s *Store) Path(k Key, variant string) string { return s.bodyName(k, variant) }

// Discard removes a form, as it was when it was visited, and gives the bytes that
// are free now. What was changed since stays. Clients that are reading it go on
// doing so.
func (s *Store) Discard(k Key, f Form) (freed int64, err error) {
	if s.readOnly {
		return 0, ErrReadOnly
	}
	defer s.edit(k, f.Variant).Unlock()
	if !s.asVisited(k, f, false) {
		return 0, nil
	}
	return s.discard(k, f)
}

// asVisited tells whether a form is still what it was.
func (s *Store) asVisited(k Key, f Form, idle bool) bool {
	if f.Kind == FormParts {
		fi, err := s.lstat(partsName(k, f.Variant) + metaExt)
		return err != nil || !idle || fi.modTime.Equal(f.Used)
	}
	if f.Name == "" && s.hasBody(k, f.Variant) {
		return false // it came while the folder was listed
	}
	if f.Name != "" && f.Kind == FormFile {
		if fi, err := s.lstat(f.Name); err == nil && fi.kind.IsRegular() && !fi.modTime.Equal(f.ModTime) {
			return false
		}
	}
	fi, err := s.lstat(metaName(k, f.Variant))
	switch {
	case f.Own():
		return err != nil
	case err != nil:
		return true // removed meanwhile, which is as good
	}
	return !idle || fi.modTime.Equal(f.Used)
}

// hasBody tells whether there is a file or a link of a document's name.
func (s *Store) hasBody(k Key, variant string) bool {
	fi, err := s.lstat(s.bodyName(k, variant))
	return err == nil && !fi.kind.IsDir()
}

// discard removes the body first: metadata alone is no answer, a body alone is.
func (s *Store) discard(k Key, f Form) (freed int64, err error) {
	if f.Kind == FormParts {
		s.DropParts(k, f.Variant)
		s.root.Remove(partsName(k, f.Variant) + dataExt) // one without a description
		s.prune(path.Dir(partsName(k, f.Variant)))
		return f.Size, nil
	}
	remove := func(name string, size int64) {
		switch e := s.unlink(name); {
		case e == nil:
			freed += size
			s.prune(path.Dir(name))
		case !errors.Is(e, fs.ErrNotExist) && err == nil:
			err = e
		}
	}
	if f.Name != "" {
		remove(f.Name, f.Size)
	}
	if !f.Own() && err == nil {
		remove(metaName(k, f.Variant), f.MetaSize)
	}
	return freed, err
}

// prune removes folders that are empty now, but no tree's own. Writers make what
// they miss.
func (s *Store) prune(dir string) {
	for dir != "." && dir != metaDir && dir != partsDir && s.rmdir(dir) == nil {
		dir = path.Dir(dir)
	}
}
