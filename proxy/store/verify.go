package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"
)

// Problem is something that is wrong with a directory.
type Problem struct {
	Key     Key // the zero Key for what is no document's
	Variant string
	Name    string // of the file, below the directory
	Reason  string
	// Fixed is set when it has been removed.
	Fixed bool
	// Err is why it could not be removed; nil otherwise.
	Err error
}

// Verifier looks for damage: bodies that are not what their metadata says,
// metadata that can't be read or whose body is gone, and what killed processes
// left. A user's own files, edited ones as well, are never damage.
type Verifier struct {
	// Quick leaves the bodies unread: their lengths and times are compared alone.
	Quick bool
	// Fix removes what is wrong. What it was an answer to is fetched again.
	Fix bool
	// Found gets each problem.
	Found func(Problem) error
	// Checked is told of each form that was looked at, and its bytes. nil ignores it.
	Checked func(k Key, bytes int64)
	// Skip is Walker's.
	Skip func(name, reason string)
}

// Verify looks through the whole directory. Its error is Found's, or ErrReadOnly.
func (s *Store) Verify(v Verifier) error {
	if v.Fix && s.readOnly {
		return ErrReadOnly
	}
	if v.Checked == nil {
		v.Checked = func(Key, int64) {}
	}
	err := s.Walk(Walker{ReadMeta: true, ReadBodies: !v.Quick, Skip: v.Skip, Visit: func(d *Document) error {
		for _, f := range d.Forms {
			if p := s.verify(&v, d.Key, f); p != nil {
				if err := v.Found(*p); err != nil {
					return err
				}
			}
			v.Checked(d.Key, f.Size)
		}
		return nil
	}})
	if err != nil {
		return err
	}
	return s.verifyTemp(&v, time.Now())
}

// verify looks at one form. What seems wrong may be under a writer's hands, so it
// is looked at again while nobody may write.
func (s *Store) verify(v *Verifier, k Key, f Form) *Problem {
	if s.wrong(k, f, v.Quick) == "" {
		return nil
	}
	if f.Name == "" && f.Kind != FormParts && s.fetching(k, f.Variant) {
		return nil // metadata that comes before its file
	}
	f.Meta = nil
	if !s.readOnly {
		defer s.edit(k, f.Variant).Unlock()
	}
	if !s.asVisited(s.lstat, k, f, true) {
		return nil // changed meanwhile, and by who knows what it should be
	}
	reason := s.wrong(k, f, v.Quick)
	if reason == "" {
		return nil
	}
	p := &Problem{Key: k, Variant: f.Variant, Name: f.Name, Reason: reason}
	switch {
	case f.Kind == FormParts:
		p.Name = partsName(k, f.Variant) + dataExt
	case f.Name == "":
		p.Name = metaName(k, f.Variant)
	}
	if v.Fix {
		d := &Discarder{store: s}
		_, p.Err = d.remove(k, f)
		d.Close()
		p.Fixed = p.Err == nil
	}
	return p
}

// wrong says what is wrong with a form, "" when nothing is.
func (s *Store) wrong(k Key, f Form, quick bool) string {
	if f.Kind == FormParts {
		p, err := s.Parts(k, f.Variant)
		if err != nil {
			return "its parts are damaged"
		}
		p.Close()
		return ""
	}
	if f.Own() {
		return ""
	}
	m := f.Meta
	if m == nil {
		var err error
		if m, err = s.readMeta(k, f.Variant); err != nil {
			return reasonOf(err)
		}
	}
	switch f.Kind {
	case FormOrphan:
		if len(m.VaryBy) > 0 || m.Below {
			return "" // it says where the variants beside it are, or is of a file in another directory
		}
		return "metadata without its file"
	case FormFile:
		return s.wrongBody(f, m, quick)
	case FormStatus:
		if sum := sha256.Sum256(m.Body); m.SHA256 != "" && hex.EncodeToString(sum[:]) != m.SHA256 {
			return "its text has changed"
		}
	}
	return ""
}

// wrongBody compares a file with its metadata. One that has another time and other
// bytes was edited; one of the time at which it was written must have those bytes.
func (s *Store) wrongBody(f Form, m *Meta, quick bool) string {
	if !m.ModTime.Equal(f.ModTime) {
		return ""
	}
	if m.Size != f.Size {
		return fmt.Sprintf("its file has %d of %d bytes", f.Size, m.Size)
	}
	if quick {
		return ""
	}
	if f.body != nil {
		if sum := sha256.Sum256(f.body); hex.EncodeToString(sum[:]) == m.SHA256 {
			return ""
		}
	}
	file, err := s.open(f.Name)
	if err != nil {
		return reasonOf(err)
	}
	defer file.Close()
	if !s.sameDigest(file, m.SHA256) {
		return "its bytes have changed: the SHA-256 digest is not " + m.SHA256
	}
	return ""
}

// verifyTemp finds what killed processes left.
func (s *Store) verifyTemp(v *Verifier, now time.Time) error {
	dir, err := s.openFolder(tempDir)
	if err != nil {
		return nil // nothing is there
	}
	defer dir.close()
	var names []string
	_ = dir.each(nil, func(name string, _ fs.FileMode) { names = append(names, name) }) // a part is looked at as well as all
	for _, name := range names {
		fi, err := dir.stat(name)
		if err != nil || now.Sub(fi.modTime) <= abandoned {
			continue
		}
		p := Problem{Name: path.Join(tempDir, name), Reason: "left by a process that was killed"}
		if v.Fix {
			p.Err = s.root.RemoveAll(p.Name)
			if errors.Is(p.Err, fs.ErrNotExist) {
				p.Err = nil
			}
			p.Fixed = p.Err == nil
		}
		if err := v.Found(p); err != nil {
			return err
		}
	}
	return nil
}
