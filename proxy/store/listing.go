package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// fileInfo is what a walk wants to know of a file.
type fileInfo struct {
	kind    fs.FileMode // its type alone
	size    int64
	modTime time.Time
}

// Where a name was found, and as what.
const (
	inBodies  uint8 = 1 << iota // a body, a link or a folder
	inMeta                      // a folder of metadata
	inParts                     // a folder of parts
	metaFile                    // metadata
	partFile                    // a part, or its description
	bodyIsDir                   // the one in bodies is a folder
)

// item is a name of a folder.
type item struct {
	name  string
	base  uint16 // how much of it is the document's, before a variant
	where uint8
}

// sameDocument tells whether two items are forms of one document.
func (it item) sameDocument(other item) bool {
	return it.name[:it.base] == other.name[:other.base]
}

// listing is a folder as it is in the three trees: bodies, metadata and parts.
type listing struct {
	name                string
	bodies, meta, parts *os.File
	items               []item
}

func (l *listing) close() {
	for _, f := range []*os.File{l.bodies, l.meta, l.parts} {
		if f != nil {
			f.Close()
		}
	}
	l.bodies, l.meta, l.parts = nil, nil, nil
}

// folders tells in which trees an item is a folder.
func (it item) folders() uint8 {
	trees := it.where & (inMeta | inParts)
	if it.where&bodyIsDir != 0 {
		trees |= inBodies
	}
	return trees
}

// list reads a folder in the trees that may have it.
func (t *tree) list(name string, trees uint8) (*listing, error) {
	l := &listing{name: name}
	found := false
	for _, part := range []struct {
		in   uint8
		tree string
		file **os.File
		add  func(fs.DirEntry) (string, uint8)
	}{
		{inBodies, ".", &l.bodies, t.bodyItem(name)}, {inMeta, metaDir, &l.meta, metaItem}, {inParts, partsDir, &l.parts, partItem},
	} {
		if trees&part.in == 0 {
			continue
		}
		f, err := t.openFolder(path.Join(part.tree, name))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		if err == nil {
			*part.file = f
			err = l.read(f, part.add)
		}
		if err != nil {
			l.close()
			return nil, err
		}
		found = true
	}
	if !found {
		return nil, fs.ErrNotExist
	}
	l.merge()
	return l, nil
}

// listChunk is how many names are read at once.
const listChunk = 1024

func (l *listing) read(f *os.File, add func(fs.DirEntry) (string, uint8)) error {
	for {
		entries, err := f.ReadDir(listChunk)
		for _, e := range entries {
			name, where := add(e)
			if where == 0 {
				continue
			}
			it := item{name: name, base: uint16(len(name)), where: where}
			if i := strings.Index(name, variantOf); i >= 0 {
				it.base = uint16(i)
			}
			l.items = append(l.items, it)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// merge sorts the names, a document before its variants, and makes one item of
// those that are in several trees.
func (l *listing) merge() {
	slices.SortFunc(l.items, func(a, b item) int {
		if c := strings.Compare(a.name[:a.base], b.name[:b.base]); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	merged := l.items[:0]
	for _, it := range l.items {
		if n := len(merged); n > 0 && merged[n-1].name == it.name {
			merged[n-1].where |= it.where
			continue
		}
		merged = append(merged, it)
	}
	clear(l.items[len(merged):])
	l.items = merged
}

// bodyItem takes what a user may see: at the top, folders of hosts alone.
func (t *tree) bodyItem(folder string) func(fs.DirEntry) (string, uint8) {
	return func(e fs.DirEntry) (string, uint8) {
		where := inBodies
		if e.IsDir() {
			where |= bodyIsDir
		}
		if folder != "" {
			return e.Name(), where
		}
		switch host, ok := decode(strings.TrimSuffix(e.Name(), continued)); {
		case e.Name() == private:
			return "", 0
		case !e.IsDir():
			t.Skip(e.Name(), "it is not in the folder of a host")
			return "", 0
		case !ok || host == "" || !strings.HasSuffix(e.Name(), continued) && encodeSegment(host, true) != e.Name():
			t.Skip(e.Name(), "it is not the folder of a host")
			return "", 0
		}
		return e.Name(), where
	}
}

func metaItem(e fs.DirEntry) (string, uint8) {
	if e.IsDir() {
		return e.Name(), inMeta
	}
	name, ok := strings.CutSuffix(e.Name(), metaExt)
	if !ok || name == "" {
		return "", 0
	}
	return name, metaFile
}

func partItem(e fs.DirEntry) (string, uint8) {
	if e.IsDir() {
		return e.Name(), inParts
	}
	for _, ext := range []string{metaExt, dataExt} {
		if name, ok := strings.CutSuffix(e.Name(), ext); ok && name != "" {
			return name, partFile
		}
	}
	return "", 0
}
