package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Entry is a kept answer. Close it.
type Entry struct {
	Meta
	// File is the body, nil when the answer is an error or a redirect.
	File *os.File
	// Own is set for what a user put there: it has no metadata, or says so.
	Own bool

	body, meta fileState // as they were opened; zero where that is of no use
}

// Close releases the body.
func (e *Entry) Close() {
	if e.File != nil {
		e.File.Close()
	}
}

// MissError says why nothing that could be served was found.
type MissError struct {
	Reason string
	// Why says it for programs; "" when nothing was ever kept.
	Why Why
}

// Why is one word for why what was kept could not be served.
type Why string

// The words of MissError. The store itself finds the first two.
const (
	Removed      Why = "removed" // its file is gone, its metadata is not
	Damaged      Why = "damaged"
	OtherVariant Why = "variant" // it was selected by other request fields
	FromPlain    Why = "plain"   // it came over plain http
)

func (e *MissError) Error() string { return e.Reason }

func miss(format string, a ...any) (*Entry, error) {
	return nil, &MissError{Reason: fmt.Sprintf(format, a...)}
}

func damaged(format string, a ...any) (*Entry, error) {
	return nil, &MissError{Reason: fmt.Sprintf(format, a...), Why: Damaged}
}

// looks is how often a document is looked at that somebody replaces all the
// time.
const looks = 5

// Get opens the kept answer for a key and a variant. Whatever goes wrong is a
// *MissError.
func (s *Store) Get(k Key, variant string) (*Entry, error) {
	e, err := s.get(k, variant)
	if err != nil {
		return s.getBelow(k, variant, err)
	}
	return e, nil
}

// get is Get in the store's own directory alone.
func (s *Store) get(k Key, variant string) (*Entry, error) {
	for range looks {
		if e, err := s.look(k, variant); e != nil || err != nil {
			return e, err
		}
	}
	return miss("it changes all the time")
}

// look returns neither entry nor error when the document was replaced
// meanwhile.
func (s *Store) look(k Key, variant string) (*Entry, error) {
	f, fi, err := s.openBody(k.Name(variant))
	if err != nil {
		return s.getStatus(k, variant, err)
	}
	m, mfi, err := s.readMetaFile(k, variant)
	if err == nil && m.Gone && m.Size == fi.Size() && s.sameDigest(f, m.SHA256) { // two layers were merged
		f.Close()
		return miss("not in the cache")
	}
	if err == nil && m.Size == fi.Size() && m.ModTime.Equal(fi.ModTime()) {
		s.markUsed(k, variant, m, mfi.modTime)
		return &Entry{Meta: *m, File: f, Own: m.Mine, body: stateOf(fi), meta: mfi.state}, nil
	}
	if target, err := s.link(k.Name(variant)); err == nil && isStatus(target) { // somebody made a file called 404
		f.Close()
		return s.getStatus(k, variant, fs.ErrNotExist)
	}
	switch {
	case err == nil && m.Size == fi.Size() && s.sameDigest(f, m.SHA256):
		// A restored archive has new times: the digest decides, once.
		s.noteTime(k, variant, fi, m)
		m.ModTime = fi.ModTime()
		return &Entry{Meta: *m, File: f, Own: m.Mine}, nil
	case err == nil && m.ModTime.Equal(fi.ModTime()):
		f.Close()
		return damaged("its file was cut: %d of %d bytes", fi.Size(), m.Size)
	case errors.Is(err, errDamaged):
		f.Close()
		return damaged("%v", err)
	case s.writing(k, variant):
		f.Close()
		return miss("not in the cache")
	case !s.settled(k, variant, fi, m):
		f.Close()
		return nil, nil
	}
	return ownEntry(k, f, fi), nil
}

// noteTime writes down a body's new time, which only spares the next digest.
// Whoever is editing is about to write newer metadata.
func (s *Store) noteTime(k Key, variant string, fi fs.FileInfo, m *Meta) {
	if s.readOnly {
		return
	}
	l, err := s.tryLock(editName(k, variant))
	if err != nil || l == nil {
		return
	}
	defer l.Unlock()
	if s.settled(k, variant, fi, m) {
		noted := *m
		noted.ModTime = fi.ModTime()
		s.writeMeta(k, variant, &noted)
	}
}

// settled tells whether a body and its metadata (nil for none) are still those
// that were read. Otherwise what looks like a user's file may be an answer that
// another process was just putting there.
func (s *Store) settled(k Key, variant string, was fs.FileInfo, m *Meta) bool {
	f, fi, err := s.openBody(k.Name(variant))
	if err != nil {
		return false
	}
	f.Close()
	now, _ := s.readMeta(k, variant) // nil when there is none
	if m == nil || now == nil {
		return m == now && os.SameFile(was, fi)
	}
	return os.SameFile(was, fi) && m.SHA256 == now.SHA256 && m.ModTime.Equal(now.ModTime)
}

// openBody opens the document's file, which is inside its folder when the name
// is a folder too.
func (s *Store) openBody(name string) (*os.File, fs.FileInfo, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && fi.IsDir() {
		f.Close()
		if f, err = s.open(name + "/" + selfName); err != nil {
			return nil, nil, err
		}
		fi, err = f.Stat()
	}
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// getStatus reads an error answer: a dangling link to a status code.
func (s *Store) getStatus(k Key, variant string, cause error) (*Entry, error) {
	if !errors.Is(cause, fs.ErrNotExist) && !errors.Is(cause, syscall.ENOTDIR) {
		return damaged("cannot be read: %v", cause)
	}
	target, err := s.link(k.Name(variant))
	if err != nil {
		if m, _, err := s.readMetaFile(k, variant); err == nil && !m.Gone && !s.writing(k, variant) {
			return nil, &MissError{Reason: "its file was removed", Why: Removed}
		}
		return miss("not in the cache")
	}
	if !isStatus(target) {
		return miss("its link to %q is no status code", target)
	}
	status, err := strconv.Atoi(target)
	if err != nil {
		return miss("%v", err)
	}
	m, mfi, err := s.readMetaFile(k, variant)
	if err == nil && m.Status == status && m.Gone {
		return miss("not in the cache")
	}
	if err == nil && m.Status == status {
		s.markUsed(k, variant, m, mfi.modTime)
		return &Entry{Meta: *m, Own: m.Mine}, nil
	}
	return &Entry{Own: true, Meta: Meta{URL: k.URL("https"), Status: status, Header: http.Header{}}}, nil
}

// link is what a document's link leads to.
func (s *Store) link(name string) (string, error) {
	target, err := s.readlink(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // nor is anything in it then
		target, err = s.readlink(name + "/" + selfName)
	}
	return target, err
}

// sameDigest tells whether a file holds what its metadata says.
func (s *Store) sameDigest(f *os.File, want string) bool {
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return false
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false
	}
	return hex.EncodeToString(h.Sum(nil)) == want
}

// ownEntry describes a file that somebody put into the directory.
func ownEntry(k Key, f *os.File, fi fs.FileInfo) *Entry {
	h := http.Header{}
	h.Set("Content-Type", TypeOf(k))
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, fi.ModTime().UnixNano(), fi.Size()))
	h.Set("Last-Modified", fi.ModTime().UTC().Format(http.TimeFormat))
	return &Entry{
		File: f,
		Own:  true,
		Meta: Meta{
			URL: k.URL("https"), Status: http.StatusOK, Header: h,
			Received: fi.ModTime(), Requested: fi.ModTime(),
			Size: fi.Size(), ModTime: fi.ModTime(),
		},
	}
}

// TypeOf guesses a media type from the name alone, as nothing else is known.
func TypeOf(k Key) string {
	p, _, _ := strings.Cut(k.Target, "?")
	if strings.HasSuffix(p, "/") {
		return "text/html; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(p)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// Touch replaces the metadata of an answer whose body stays: a 304 brought new
// header fields. It is an error when the body is no longer the one described.
func (s *Store) Touch(k Key, variant string, m Meta) error {
	if s.readOnly {
		return ErrReadOnly
	}
	defer s.edit(k, variant).Unlock()
	m.Below = false
	if err := s.unchanged(k, variant, &m); err != nil {
		if s.hasBody(k, variant) {
			return err // by now it has one of its own
		}
		e, gone := s.getBelow(k, variant, err)
		if gone != nil {
			return err
		}
		e.Close()
		if e.Own || !m.sameAnswer(&e.Meta) {
			return err
		}
		m.Below = true
	}
	return s.writeMeta(k, variant, &m)
}

// unchanged is an error when the body of metadata is not there any more.
func (s *Store) unchanged(k Key, variant string, m *Meta) error {
	if m.HasFile() {
		f, fi, err := s.openBody(k.Name(variant))
		if err != nil {
			return err
		}
		f.Close()
		if m.Size != fi.Size() || !m.ModTime.Equal(fi.ModTime()) {
			return fmt.Errorf("%s was changed", k.Name(variant))
		}
	} else if status, err := s.link(k.Name(variant)); err != nil || status != strconv.Itoa(m.Status) {
		return fmt.Errorf("%s was changed", k.Name(variant))
	}
	return nil
}

// Index tells whether a folder of the key's name holds an index document, as
// for a server that redirects /name to /name/.
func (s *Store) Index(k Key) bool {
	if strings.Contains(k.Target, "?") || strings.HasSuffix(k.Target, "/") {
		return false
	}
	name := Key{Host: k.Host, Target: k.Target + "/"}.Name("")
	return slices.ContainsFunc(s.layers(), func(l *Store) bool {
		fi, err := l.root.Lstat(name)
		return err == nil && fi.Mode().IsRegular()
	})
}

// hasBody tells whether there is a file or a link of a document's name.
func (s *Store) hasBody(k Key, variant string) bool {
	fi, err := s.lstat(s.bodyName(k, variant))
	return err == nil && !fi.kind.IsDir()
}

// Path is where a document's file is or would be, relative to the directory.
func (s *Store) Path(k Key, variant string) string { return s.bodyName(k, variant) }
