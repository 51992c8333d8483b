package store

import (
	"errors"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
)

// VaryBy is what the main answer's metadata says of the variants beside it (see
// Meta), whether its body is there or not.
func (s *Store) VaryBy(k Key, base string) [][]string {
	var all [][]string
	for _, l := range s.layers() {
		m, err := l.readMeta(k, base)
		if err != nil {
			continue
		}
		for _, names := range m.VaryBy {
			if len(all) < maxVaryBy && !slices.ContainsFunc(all, func(set []string) bool { return slices.Equal(set, names) }) {
				all = append(all, names)
			}
		}
	}
	return all
}

// Has tells whether there is metadata of an answer. It looks at nothing else.
func (s *Store) Has(k Key, variant string) bool {
	return slices.ContainsFunc(s.layers(), func(l *Store) bool {
		_, err := l.lstat(metaName(k, variant))
		return err == nil
	})
}

// maxVaryBy bounds the sets of field names that are tried for one document.
const maxVaryBy = 8

// AddVaryBy notes at the main answer that a variant beside it was selected by
// the named fields.
func (s *Store) AddVaryBy(k Key, base string, names []string) error {
	defer s.edit(k, base).Unlock()
	m, err := s.known(k, base)
	if err != nil {
		return err
	}
	if len(m.VaryBy) > 0 && slices.Equal(m.VaryBy[0], names) {
		return nil
	}
	others := slices.DeleteFunc(m.VaryBy, func(set []string) bool { return slices.Equal(set, names) })
	m.VaryBy = append([][]string{names}, others...)
	m.VaryBy = m.VaryBy[:min(len(m.VaryBy), maxVaryBy)]
	return s.writeMeta(k, base, m)
}

// Variants lists the kept variants of a document, the main one as "". Variants
// whose names are too long for one file are not found. It reads the folder.
func (s *Store) Variants(k Key) []string {
	found := s.variants(k)
	for _, l := range s.lower {
		for _, v := range l.variants(k) {
			if !slices.Contains(found, v) {
				found = append(found, v)
			}
		}
	}
	return found
}

// variants is Variants in the store's own directory alone.
func (s *Store) variants(k Key) []string {
	dir, base := path.Split(metaName(k, ""))
	f, err := s.root.Open(path.Clean(dir))
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1) // a part is as good as all
	base = strings.TrimSuffix(base, metaExt)
	var found []string
	for _, n := range names {
		n, ok := strings.CutSuffix(n, metaExt)
		if !ok {
			continue
		}
		if n == base {
			found = append(found, "")
			continue
		}
		label, ok := strings.CutPrefix(n, base+variantOf)
		if variant, decoded := decode(label); ok && decoded {
			found = append(found, variant)
		}
	}
	return found
}

// Invalidate marks all variants of a document as changed by a request that
// writes (RFC 9111 section 4.4). A user's own file stays as it is.
func (s *Store) Invalidate(k Key) error {
	if s.readOnly {
		return nil
	}
	var errs error
	for _, v := range s.Variants(k) {
		errs = errors.Join(errs, s.invalidate(k, v))
	}
	return errs
}

func (s *Store) invalidate(k Key, variant string) error {
	defer s.edit(k, variant).Unlock()
	m, err := s.known(k, variant)
	if err != nil || m.Invalid {
		return nil // nothing that could be used
	}
	m.Invalid = true
	return s.writeMeta(k, variant, m)
}

// noteVariant is where answers to HEAD are kept when the document itself is
// not: they are no files.
const noteVariant = "head"

func noteName(variant string) string {
	if variant == "" {
		return noteVariant
	}
	return variant + "," + noteVariant
}

// PutNote keeps an answer that has no body: metadata alone. Secrets must have
// been taken out, as for all metadata.
func (s *Store) PutNote(k Key, variant string, m *Meta) error {
	if s.readOnly {
		return ErrReadOnly
	}
	return s.writeMeta(k, noteName(variant), m)
}

// Note reads what PutNote has kept. Its error is a *MissError.
func (s *Store) Note(k Key, variant string) (*Meta, error) {
	m, err := s.readMeta(k, noteName(variant))
	if errors.Is(err, fs.ErrNotExist) {
		m, err = s.noteBelow(k, noteName(variant))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &MissError{Reason: "not in the cache"}
	case err != nil:
		return nil, &MissError{Reason: err.Error()}
	}
	if m.Header == nil {
		m.Header = http.Header{}
	}
	return m, nil
}
