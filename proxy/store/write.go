package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Writer takes a body that is still arriving. Its file may be read meanwhile.
// End it with Commit or Abort, and Close it when nobody reads it any more.
type Writer struct {
	store *Store
	file  *os.File
	temp  string // name of the temporary file, "" while it has none
	sum   hash.Hash
	size  int64
	kept  *Meta // nil before Commit
}

// Create begins a body. The file has no name until Commit where the file
// system can do that, so that a killed process leaves nothing.
func (s *Store) Create() (*Writer, error) {
	if s.readOnly {
		return nil, ErrReadOnly
	}
	f, temp, err := s.createTemp()
	if err != nil {
		return nil, err
	}
	return &Writer{store: s, file: f, temp: temp, sum: sha256.New()}, nil
}

// File is the body so far, for readers that follow it.
func (w *Writer) File() *os.File { return w.file }

// Write appends to the body.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.sum.Write(p[:n])
	w.size += int64(n)
	return n, err
}

// Size is the number of bytes written.
func (w *Writer) Size() int64 { return w.size }

// SHA256 is the hexadecimal digest of what was written.
func (w *Writer) SHA256() string { return hex.EncodeToString(w.sum.Sum(nil)) }

// Abort forgets the body.
func (w *Writer) Abort() {
	if w.temp != "" {
		w.store.root.Remove(w.temp)
		w.temp = ""
	}
}

// Close releases the file. What was not committed is gone.
func (w *Writer) Close() error {
	w.Abort()
	return w.file.Close()
}

// Commit makes the body the answer for a key and a variant. Size, digest and
// time of m are filled in. The caller holds the key's Lock.
func (w *Writer) Commit(k Key, variant string, m *Meta) error {
	fi, err := w.file.Stat()
	if err == nil && fi.Size() != w.size {
		err = fmt.Errorf("the temporary file holds %d of %d bytes", fi.Size(), w.size)
	}
	if err != nil {
		w.Abort()
		return err
	}
	m.Size, m.SHA256, m.ModTime, m.Body = w.size, w.SHA256(), fi.ModTime(), nil
	m.Below, m.Gone = false, false
	m.VaryBy = nil
	if !w.commitNew(k, variant, m) {
		if err := w.commitOver(k, variant, m); err != nil {
			w.Abort()
			return err
		}
	}
	kept := *m
	w.kept = &kept
	return nil
}

// commitOver is Commit for a document of which something may be here.
func (w *Writer) commitOver(k Key, variant string, m *Meta) error {
	s := w.store
	defer s.edit(k, variant).Unlock()
	m.VaryBy = s.VaryBy(k, variant)
	// First, as a disk may be full: a body without it would be a user's own file.
	meta, err := s.tempMeta(m)
	if err != nil {
		return err
	}
	if err = w.place(k.Name(variant)); err == nil {
		if err = s.renameInto(meta, metaName(k, variant)); err != nil {
			err = errors.Join(err, s.remove(k, variant))
		}
	}
	if err != nil {
		s.root.Remove(meta)
	}
	return err
}

// CommitOwn makes the body a user's own file: without metadata, served as it is.
func (w *Writer) CommitOwn(k Key) error {
	s := w.store
	defer s.edit(k, "").Unlock()
	if err := w.place(k.Name("")); err != nil {
		w.Abort()
		return err
	}
	return s.forget(k)
}

// place gives the body its name. Where nothing has that, as mostly, it needs none
// before.
func (w *Writer) place(name string) error {
	if err := deep(name); err != nil {
		return err
	}
	if w.temp == "" {
		err := w.linkNew(name)
		if errors.Is(err, fs.ErrNotExist) && w.store.makeFolders(path.Dir(name)) == nil {
			err = w.linkNew(name)
		}
		if err == nil || w.store.sameFile(w.file, name) { // which rename(2) would leave two names
			return nil
		}
		if err := w.link(); err != nil {
			return err
		}
	}
	if err := w.store.place(w.temp, name); err != nil {
		return err
	}
	w.temp = ""
	return nil
}

// forget removes metadata that a user's own file or link has replaced.
func (s *Store) forget(k Key) error {
	err := s.root.Remove(metaName(k, ""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// PutOwnStatus makes an answer of nothing but a status code, as a user's link does.
func (s *Store) PutOwnStatus(k Key, status int) error {
	if s.readOnly {
		return ErrReadOnly
	}
	temp := tempDir + "/" + randomName()
	if err := s.root.Symlink(strconv.Itoa(status), temp); err != nil {
		return err
	}
	defer s.edit(k, "").Unlock()
	if err := s.place(temp, k.Name("")); err != nil {
		s.root.Remove(temp)
		return err
	}
	return s.forget(k)
}

// MaxStatusBody bounds the text of an error answer that is kept for replay.
const MaxStatusBody = 64 << 10

// PutStatus keeps an answer that has a status code and header fields but no
// file: an error or a redirect. Its text, when short enough, is in m.Body.
func (s *Store) PutStatus(k Key, variant string, m *Meta) error {
	if s.readOnly {
		return ErrReadOnly
	}
	if len(m.Body) > MaxStatusBody {
		m.Body = m.Body[:MaxStatusBody]
	}
	m.Size, m.SHA256, m.Below, m.Gone = int64(len(m.Body)), "", false, false
	if len(m.Body) > 0 {
		sum := sha256.Sum256(m.Body)
		m.SHA256 = hex.EncodeToString(sum[:])
	}
	temp := tempDir + "/" + randomName()
	defer s.edit(k, variant).Unlock()
	m.VaryBy = s.VaryBy(k, variant)
	if err := s.root.Symlink(strconv.Itoa(m.Status), temp); err != nil {
		return err
	}
	if err := s.place(temp, k.Name(variant)); err != nil {
		s.root.Remove(temp)
		return err
	}
	return s.writeMeta(k, variant, m)
}

// Remove forgets an answer.
func (s *Store) Remove(k Key, variant string) error {
	if s.readOnly {
		return ErrReadOnly
	}
	return errors.Join(s.remove(k, variant), s.hide(k, variant))
}

// remove is Remove in the store's own directory alone.
func (s *Store) remove(k Key, variant string) error {
	err := s.root.Remove(s.bodyName(k, variant))
	if e := s.root.Remove(metaName(k, variant)); err == nil {
		err = e
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// maxFolders bounds how deep a document may lie. Making folders one in another
// takes time by the square of their number: an URL of 8 KiB, "/n/n/n…", would
// cost half a minute.
const maxFolders = 500

// deep says that a name is too deep to be kept.
func deep(name string) error {
	if n := strings.Count(name, "/"); n > maxFolders {
		return fmt.Errorf("its name has %d folders, more than %d", n, maxFolders)
	}
	return nil
}

// placings is how often a document is placed while other writers turn what is
// there into folders. Each of them does so once.
const placings = 5

// place renames a temporary file to a document's name, which may be a folder
// already, or lie below what is a document so far.
func (s *Store) place(temp, name string) error {
	err := deep(name)
	if err != nil {
		return err
	}
	for range placings {
		at := name
		if fi, lerr := s.lstat(name); lerr == nil && fi.kind.IsDir() {
			at += "/" + selfName
		}
		if err = s.rename(temp, at); err == nil {
			return nil
		}
		if e := s.makeFolders(path.Dir(name)); e != nil {
			err = e
		}
	}
	return err
}

// foldersLock is held while documents are turned into folders. It names no
// document, so that there is nothing to mend when its holder dies.
const foldersLock = locksDir + "/folders"

// makeFolders makes dir, and turns each document on the way into a folder that
// holds it. The document stays readable but for the moment between two renames.
// It begins with the last: mostly the others are there.
func (s *Store) makeFolders(dir string) error {
	err := s.mkdir(dir)
	if err == nil {
		return nil
	}
	if parent := path.Dir(dir); !errors.Is(err, fs.ErrExist) && parent != "." {
		if err := s.makeFolders(parent); err != nil {
			return err
		}
		if err = s.mkdir(dir); err == nil {
			return nil
		}
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if s.isFolder(dir) {
		return nil
	}
	return s.moveIntoFolder(dir)
}

// isFolder tells whether files may be put into what has that name: a folder,
// or a user's link to one. A link to a status code is never one.
func (s *Store) isFolder(name string) bool {
	if target, err := s.root.Readlink(name); err == nil && isStatus(target) {
		return false
	}
	fi, err := s.root.Stat(name)
	return err == nil && fi.IsDir()
}

// moveIntoFolder makes a document's name a folder that holds the document.
func (s *Store) moveIntoFolder(name string) error {
	lock, _, err := s.waitLock(context.Background(), foldersLock, waiting{})
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if s.isFolder(name) {
		return nil
	}
	return s.intoFolder(name)
}

func (s *Store) intoFolder(name string) error {
	aside := tempDir + "/" + randomName()
	if err := s.root.Mkdir(aside, 0o755); err != nil {
		return err
	}
	defer s.root.RemoveAll(aside) // nothing is left of it when all went well
	if err := s.root.Rename(name, aside+"/"+selfName); err != nil {
		return err
	}
	err := s.root.Rename(aside, name)
	if err == nil {
		return nil
	}
	// Between the two renames another writer has put something there: the
	// document anew, which then is the better one, or a folder with files.
	fi, lerr := s.root.Lstat(name)
	switch {
	case lerr != nil:
		return err
	case !fi.IsDir():
		return s.intoFolder(name)
	}
	return s.giveName(aside+"/"+selfName, name+"/"+selfName)
}

// giveName gives a file another name unless something has that already, which
// then is the newer one. link(2) never replaces: a look before a rename would
// let another writer in between, whose document would be lost.
func (s *Store) giveName(from, to string) error {
	err := s.root.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// No hard links here.
	if _, lerr := s.root.Lstat(to); lerr == nil {
		return nil
	}
	return s.root.Rename(from, to)
}

func randomName() string { return rand.Text() }
