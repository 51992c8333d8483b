package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A store may have directories below its own, which are read and never written
// to: no lock, no metadata, no mark of use. What is found in none is written to
// the store's own; so is whatever changes about an answer that lies below.
// Metadata there without a file, Meta.Below, speaks of the same bytes in a lower
// directory: new header fields after a 304, that a request has changed the
// resource, or that the answer is gone. It means nothing any more as soon as the
// lower directory has other bytes, or has heard of the same ones later.

// ErrNested says that of two directories one is the other, or is inside it.
var ErrNested = errors.New("one directory is inside the other")

// OpenLayers is Open with directories below, the first of which is looked into
// first. They must be there; anybody's will do that can be read.
func OpenLayers(dir string, readOnly bool, lower []string) (*Store, error) {
	for i, d := range lower {
		for _, other := range append([]string{dir}, lower[:i]...) {
			if nested(d, other) {
				return nil, &fs.PathError{Op: "open", Path: d, Err: fmt.Errorf("%w: %s", ErrNested, other)}
			}
		}
	}
	var layers []*Store
	close := func() {
		for _, l := range layers {
			l.Close()
		}
	}
	for _, d := range lower {
		l, err := Open(d, true)
		if err != nil {
			close()
			return nil, err
		}
		l.unmarked.Store(true)
		layers = append(layers, l)
	}
	s, err := openAbove(dir, readOnly, layers)
	if err != nil {
		close()
	}
	return s, err
}

// nested tells whether two directories are one, or one is inside the other. What
// is not there yet is what its name says.
func nested(a, b string) bool {
	real := func(dir string) string {
		if r, err := filepath.EvalSymlinks(dir); err == nil {
			dir = r
		}
		return dir + string(filepath.Separator)
	}
	a, b = real(a), real(b)
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// Lower are the directories below, the first of which is looked into first.
func (s *Store) Lower() []string {
	var dirs []string
	for _, l := range s.lower {
		dirs = append(dirs, l.dir)
	}
	return dirs
}

// layers are the store's own directory and those below.
func (s *Store) layers() []*Store { return append([]*Store{s}, s.lower...) }

// getBelow looks into the lower directories for what is not in the store's own,
// for the reason given.
func (s *Store) getBelow(k Key, variant string, cause error) (*Entry, error) {
	above := []*Store{s}
	for _, l := range s.lower {
		e, err := l.get(k, variant)
		if err != nil {
			above = append(above, l)
			continue
		}
		if e.Own {
			return e, nil
		}
		for _, a := range above {
			m, err := a.readMeta(k, variant)
			if err != nil || !m.speaksOf(&e.Meta) {
				continue
			}
			if m.Gone {
				e.Close()
				return miss("not in the cache")
			}
			m.ModTime = e.ModTime
			e.Meta = *m
			break
		}
		return e, nil
	}
	return nil, cause
}

// speaksOf tells whether metadata without a file is about an answer below, and
// knows more of it.
func (m *Meta) speaksOf(below *Meta) bool {
	return m.Below && m.sameAnswer(below) && !below.Received.After(m.Received)
}

func (m *Meta) sameAnswer(other *Meta) bool {
	return m.Status == other.Status && m.Size == other.Size && m.SHA256 == other.SHA256 && m.URL == other.URL
}

// known is the metadata in force of an answer, be it the store's own or, with
// Below set, of one below. A user's own file has none.
func (s *Store) known(k Key, variant string) (*Meta, error) {
	m, err := s.readMeta(k, variant)
	if len(s.lower) == 0 || s.hasBody(k, variant) || err == nil && isNote(variant) {
		return m, err
	}
	if isNote(variant) {
		return s.noteBelow(k, variant)
	}
	e, gone := s.getBelow(k, variant, fs.ErrNotExist)
	if gone != nil {
		return m, err
	}
	defer e.Close()
	if e.Own {
		return m, err
	}
	below := e.Meta
	below.Below = true
	return &below, nil
}

// noteBelow reads metadata that stands for itself from a lower directory.
func (s *Store) noteBelow(k Key, variant string) (*Meta, error) {
	for _, l := range s.lower {
		if m, err := l.readMeta(k, variant); !errors.Is(err, fs.ErrNotExist) {
			return m, err
		}
	}
	return nil, fs.ErrNotExist
}

// hide makes an answer below one that is not there.
func (s *Store) hide(k Key, variant string) error {
	if len(s.lower) == 0 {
		return nil
	}
	e, err := s.getBelow(k, variant, fs.ErrNotExist)
	if err != nil {
		return nil // nothing is there
	}
	defer e.Close()
	if e.Own {
		return nil // it is whose directory that is to remove it
	}
	m := e.Meta
	m.Below, m.Gone, m.Body = true, true, nil
	return s.writeMeta(k, variant, &m)
}

// anyLayer tells whether something has a name in any of the directories.
func (s *Store) anyLayer(name string) bool {
	return slices.ContainsFunc(s.layers(), func(l *Store) bool {
		_, err := l.root.Lstat(name)
		return err == nil
	})
}

// adoptedSalt is that of the first directory that has one, nil for none: in a
// directory that has no names yet, those of credentials are made as below, so
// that what was fetched with them is found there.
func adoptedSalt(lower []*Store) []byte {
	for _, l := range lower {
		if salt, err := l.root.ReadFile(saltName); err == nil && len(salt) == saltSize {
			return salt
		}
	}
	return nil
}

// maxCopied is how much of a document's parts is copied from below when more of
// them come: ranges of one document are in one file. With more there, those of
// the upper directory begin anew.
const maxCopied = 64 << 20

// copyParts takes over the ranges that a lower directory has of a state of a
// document, and says which.
func (s *Store) copyParts(k Key, variant string, m *PartsMeta, to io.WriterAt) []Span {
	for _, l := range s.lower {
		p, err := l.parts(k, variant)
		if err != nil {
			continue
		}
		size := int64(0)
		for _, r := range p.Ranges {
			size += r.To - r.From
		}
		ranges := p.Ranges
		if !p.same(m) || size > maxCopied {
			ranges = nil
		}
		for _, r := range ranges {
			if _, err := io.Copy(io.NewOffsetWriter(to, r.From), io.NewSectionReader(p.File, r.From, r.To-r.From)); err != nil {
				ranges = nil // a full disk: what follows says so
				break
			}
		}
		p.Close()
		return ranges
	}
	return nil
}

// sameFile tells whether an open file is the one of a name in the store's own
// directory.
func (s *Store) sameFile(f *os.File, name string) bool {
	a, err1 := f.Stat()
	b, err2 := s.root.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}
