package store

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// gitDir has the mirrors of git repositories, which are folders of their own kind:
// package mirror writes to them and knows what is in them. Their names are those
// of documents with repositoryExt.
const (
	gitDir        = private + "/git"
	repositoryExt = "%.git"
)

// Repository is a mirror of a git repository.
type Repository struct {
	Key     Key
	Variant string
	Name    string    // of its folder, below the directory
	Size    int64     // of all its files, in bytes
	Changed time.Time // when something was last put into it
	Used    time.Time // when it last answered, to the day, or something was put into it
}

// Repositories visits the mirrors of git repositories, in the order of their names.
func (s *Store) Repositories(visit func(Repository) error) error { return s.repositories("", visit) }

func (s *Store) repositories(at string, visit func(Repository) error) error {
	f, err := s.root.OpenFile(path.Join(gitDir, at), os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil // none
	}
	entries, _ := f.ReadDir(-1) // a part is better than nothing
	f.Close()
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		name := path.Join(at, e.Name())
		document, is := strings.CutSuffix(name, repositoryExt)
		if !is {
			if err := s.repositories(name, visit); err != nil {
				return err
			}
			continue
		}
		k, variant, err := ParseName(document)
		if err != nil {
			continue
		}
		r := Repository{Key: k, Variant: variant, Name: path.Join(gitDir, name)}
		s.measure(&r)
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}

// measure adds up a repository's files. Package mirror marks its use by the time of
// a folder.
func (s *Store) measure(r *Repository) {
	_ = fs.WalkDir(s.root.FS(), r.Name, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // removed meanwhile
		}
		fi, err := d.Info()
		if err != nil {
			return nil
		}
		if fi.Mode().IsRegular() {
			r.Size += fi.Size()
			if fi.ModTime().After(r.Changed) {
				r.Changed = fi.ModTime()
			}
		}
		if fi.ModTime().After(r.Used) {
			r.Used = fi.ModTime()
		}
		return nil
	})
}

// DiscardRepository removes a mirror, and gives the bytes that are free now. One
// that is being fed stays, as does one that was used after the time given, if that
// is not zero.
func (s *Store) DiscardRepository(r Repository, idleSince time.Time) (freed int64, err error) {
	if s.readOnly {
		return 0, ErrReadOnly
	}
	now := r
	now.Size, now.Used = 0, time.Time{}
	if s.measure(&now); !idleSince.IsZero() && now.Used.After(idleSince) {
		return 0, nil
	}
	lock, err := s.root.OpenFile(r.Name+"/lock", os.O_RDWR|noWait, 0)
	if err == nil {
		defer lock.Close()
		if !flockFile(lock) {
			return 0, nil
		}
	}
	if err := s.root.RemoveAll(r.Name); err != nil {
		return 0, err
	}
	for dir := path.Dir(r.Name); dir != gitDir && s.root.Remove(dir) == nil; {
		dir = path.Dir(dir)
	}
	return now.Size, nil
}
