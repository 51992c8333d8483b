package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Document is what is kept of one URL: its main answer and the others beside it.
type Document struct {
	Key Key
	// Forms are the answers, the main one first when there is one.
	Forms []Form
}

// FormKind is what a form is on the disk.
type FormKind int

// The kinds of forms.
const (
	FormFile   FormKind = iota // a body
	FormStatus                 // a link to a status code: an error or a redirect
	FormNote                   // metadata that stands for itself: an answer to HEAD
	FormOrphan                 // metadata whose body is gone, as when it was removed by hand
	FormParts                  // ranges of what was never fetched as a whole
)

// Form is one answer of a document.
type Form struct {
	Variant string // "" is the main one
	Kind    FormKind
	Name    string // of its file or link, below the directory; "" without
	Status  string // of FormStatus, what the link says
	Size    int64  // of the body, in bytes
	ModTime time.Time
	// MetaSize is the size of the metadata's file. Without any it is -1, and the
	// answer a user's own.
	MetaSize int64
	// Used is when it was last served, to the day, or when the last range came; the
	// zero time without metadata.
	Used time.Time
	// Meta is the metadata if the Walker was to read it; nil when there is none, or
	// it is damaged.
	Meta *Meta

	linked uint64 // as in fileInfo
	text   string // what Meta was read from
	body   []byte // of a small file, if the Walker was to read it; nil if it was not read
}

// Own tells whether the form has no metadata: somebody put it there.
func (f *Form) Own() bool { return f.MetaSize < 0 }

// Bytes is the room that a document takes, less what file systems add. Forms that
// are one file, as an index and what a lock keeps of it, take it once.
func (d *Document) Bytes() int64 {
	n := int64(0)
	for i, f := range d.Forms {
		n += max(f.MetaSize, 0)
		same := func(other Form) bool { return other.linked == f.linked }
		if f.linked == 0 || !slices.ContainsFunc(d.Forms[:i], same) {
			n += f.Size
		}
	}
	return n
}

// Used is when any form of the document was last used.
func (d *Document) Used() time.Time {
	var used time.Time
	for _, f := range d.Forms {
		if f.Used.After(used) {
			used = f.Used
		}
	}
	return used
}

// Walker goes through a directory in the order of its names, a folder's documents
// before the folders in it. It holds the names of one folder and of the folders in
// those above it, and what was found in the few folders that it looks into ahead.
type Walker struct {
	// Host is the only one to be looked at; "" is all.
	Host string
	// ReadMeta has the metadata read.
	ReadMeta bool
	// ReadUnused has that metadata read whose answer was last used before; the zero
	// time is none.
	ReadUnused time.Time
	// ReadBodies says that Visit reads the bodies: they are asked for ahead.
	ReadBodies bool
	// Only tells of documents that are visited; nil is all. Goroutines call it.
	Only func(Key) bool
	// Visit gets each document. It must not keep it. An error ends the walk.
	Visit func(*Document) error
	// Skip is told of what is there and stands for no document, and why. nil
	// ignores it.
	Skip func(name, reason string)

	links  bool             // links alone are visited, and nothing else is looked at
	unread func(*Form) bool // tells of files that ReadBodies leaves; nil is none
}

// Walk visits all documents of the directory. What can't be read is skipped.
func (s *Store) Walk(w Walker) error {
	if w.Skip == nil {
		w.Skip = func(string, string) {}
	}
	first := ""
	if w.Host != "" {
		first = Key{Host: w.Host, Target: "/"}.hostName()
		there := false
		for _, tree := range []string{".", metaDir, partsDir} {
			fi, err := s.lstat(path.Join(tree, first))
			there = there || err == nil && fi.kind.IsDir()
		}
		if !there {
			return nil
		}
	}
	return s.walk(w, first)
}

// tree looks through folders of the three trees.
type tree struct {
	*Store
	Walker
	doc   Document // the one being collected
	found []Form   // of one name
	space []byte   // for metadata
	names []byte   // for the names of a folder
	items []item   // for the same
	held  []byte   // the bodies that forms have
}

// askAhead is how many files are asked for when one was not in memory.
const askAhead = 64

// folder visits the documents of items of a folder.
func (t *tree) folder(l *listing, items []item) error {
	asked := 0 // items for which that was done
	for len(items) > 0 {
		if asked <= 0 && (l.meta.isSlow() || l.bodies.isSlow()) {
			asked = min(askAhead, len(items))
			t.askFor(l, items[:asked])
		}
		n := 1
		for n < len(items) && items[n].sameDocument(items[0]) {
			n++
		}
		if err := t.documents(l, items[:n]); err != nil {
			return err
		}
		items = items[n:]
		asked -= n
	}
	return nil
}

// askFor has the system read what is going to be read of items.
func (t *tree) askFor(l *listing, items []item) {
	for _, it := range items {
		if it.where&metaFile != 0 && t.ReadMeta {
			l.meta.ask(it.name+metaExt, maxHeldBody)
		}
		if it.where&(inBodies|bodyIsDir) == inBodies && t.ReadBodies {
			l.bodies.ask(it.name, maxHeldBody)
		}
	}
}

// documents visits what the items of one name stand for. They may be no document:
// folders alone.
func (t *tree) documents(l *listing, items []item) error {
	t.doc = Document{Forms: t.doc.Forms[:0]}
	for _, it := range items {
		if it.name == selfName && strings.Contains(l.name, "/") {
			continue // it went with the folder's own name
		}
		name := join(l.name, it.name)
		k, variant, err := ParseName(name)
		if err == nil && t.Only != nil && !t.Only(k) {
			continue
		}
		t.found = t.forms(l, it, name, k, t.found[:0])
		if len(t.found) == 0 {
			continue
		}
		if err != nil {
			t.Skip(name, ErrName.Error())
			continue
		}
		t.doc.Key = k
		for _, f := range t.found {
			f.Variant = variant
			if f.Kind == FormOrphan && isNote(variant) {
				f.Kind = FormNote
			}
			t.doc.Forms = append(t.doc.Forms, f)
		}
	}
	if len(t.doc.Forms) == 0 {
		return nil
	}
	return t.Visit(&t.doc)
}

// forms describes the files of one name: an answer, parts, both or neither.
func (t *tree) forms(l *listing, it item, name string, k Key, found []Form) []Form {
	f := Form{MetaSize: -1}
	if it.where&metaFile != 0 {
		if b, fi, err := t.readIn(l.meta, it.name+metaExt); err == nil {
			f.MetaSize, f.Used = fi.size, fi.modTime
			if b != nil {
				f.Meta, f.text, _ = parseText(k, b)
			}
		}
	}
	switch {
	case it.where&inBodies != 0 && t.body(l, it, name, &f):
		found = append(found, f)
	case f.MetaSize >= 0:
		f.Kind = FormOrphan
		found = append(found, f)
	}
	if it.where&partFile == 0 {
		return found
	}
	parts := Form{Kind: FormParts}
	for _, ext := range []string{dataExt, metaExt} {
		if fi, err := l.parts.stat(it.name + ext); err == nil {
			parts.Size += fi.size
			parts.ModTime, parts.Used = fi.modTime, fi.modTime
		}
	}
	return append(found, parts)
}

// readIn describes a file of metadata, and reads it if it is to be. What it gives
// is to be used at once.
func (t *tree) readIn(folder *folder, name string) ([]byte, fileInfo, error) {
	if !t.ReadMeta {
		fi, err := folder.stat(name)
		if err != nil || !fi.modTime.Before(t.ReadUnused) {
			return nil, fi, err
		}
	}
	b, fi, err := folder.read(name, t.space, maxMeta)
	if err != nil {
		fi, err = folder.stat(name)
		return nil, fi, err
	}
	t.space = b
	return b, fi, nil
}

// maxHeld bounds the bodies that one goroutine has read, and maxHeldBody each of
// them. Larger ones take long enough that to open them does not matter.
const (
	maxHeld     = 1 << 20
	maxHeldBody = 64 << 10
)

// hold reads a small body, or asks for one that is to be read later.
func (t *tree) hold(folder *folder, name string, f *Form) {
	if f.Size > maxHeldBody || len(t.held)+int(f.Size) > maxHeld {
		if f.Size <= smallFile {
			folder.ask(name, smallFile)
		}
		return
	}
	if t.held == nil {
		t.held = make([]byte, 0, maxHeld)
	}
	b, fi, err := folder.read(name, t.held[len(t.held):len(t.held):maxHeld], f.Size)
	if err != nil || fi.size != f.Size || !fi.modTime.Equal(f.ModTime) {
		return // it is being changed: Visit will see
	}
	t.held = t.held[:len(t.held)+len(b)]
	f.body = b
}

// body describes the file or link of a name, or says why it is none.
func (t *tree) body(l *listing, it item, name string, f *Form) bool {
	f.Name = name
	fi, err := fileInfo{kind: fs.ModeDir}, error(nil)
	if it.where&bodyIsDir == 0 {
		fi, err = l.bodies.stat(it.name)
	}
	if err == nil && fi.kind.IsDir() {
		f.Name += "/" + selfName
		// Only looked at: it may be a link by now, and lead anywhere.
		fi, err = l.bodies.stat(it.name + "/" + selfName)
	}
	reason := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Name = ""
		return false // a folder alone, or removed meanwhile
	case err != nil:
		reason = reasonOf(err)
	case fi.kind == fs.ModeSymlink:
		f.ModTime = fi.modTime
		reason = t.linked(f)
	case fi.kind.IsRegular():
		f.Size, f.ModTime, f.linked = fi.size, fi.modTime, fi.linked
		if t.ReadBodies && (t.unread == nil || !t.unread(f)) {
			t.hold(l.bodies, strings.TrimPrefix(f.Name, l.name+"/"), f)
		}
	default:
		reason = "it is neither a file nor a link"
	}
	if reason != "" {
		t.Skip(f.Name, reason)
		f.Name = ""
	}
	return reason == ""
}

// linked describes a link: an error's, or to a user's other file. Otherwise it
// says why it is neither.
func (t *tree) linked(f *Form) (reason string) {
	target, err := t.root.Readlink(f.Name)
	if err != nil {
		return reasonOf(err)
	}
	if isStatus(target) {
		f.Kind, f.Status = FormStatus, target
		return ""
	}
	fi, err := t.root.Stat(f.Name)
	switch {
	case err != nil:
		return fmt.Sprintf("its link to %q is no status code and leads to no file here", target)
	case fi.IsDir():
		return "links to folders are not followed here"
	case !fi.Mode().IsRegular():
		return "it leads neither to a file nor to a status code"
	}
	f.Size, f.ModTime = fi.Size(), fi.ModTime()
	return ""
}

// isNote tells whether a variant is one of PutNote's.
func isNote(variant string) bool {
	return variant == noteVariant || strings.HasSuffix(variant, ","+noteVariant)
}

// reasonOf is an error without the path, which is named beside it.
func reasonOf(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}
