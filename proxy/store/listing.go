package store

import (
	"errors"
	"io/fs"
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
	linked  uint64 // its inode if it has other names too, 0 where that is not known
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
	bodies, meta, parts *folder
	items               []item
}

func (l *listing) close() {
	for _, f := range []*folder{l.bodies, l.meta, l.parts} {
		if f != nil {
			f.close()
		}
	}
	l.bodies, l.meta, l.parts = nil, nil, nil
}

// folders are the folders in it; the next is the last.
func (l *listing) folders() []place {
	var below []place
	for _, it := range slices.Backward(l.items) {
		trees := it.where & (inMeta | inParts)
		if it.where&bodyIsDir != 0 {
			trees |= inBodies
		}
		if trees != 0 {
			below = append(below, place{join(l.name, it.name), trees})
		}
	}
	return below
}

// join is path.Join of a folder's name, "" for the directory, and a clean one.
func join(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}

// list reads a folder in the trees that may have it.
func (t *tree) list(p place) (*listing, error) {
	l := &listing{name: p.name, items: t.items[:0]}
	if t.names == nil {
		t.names = make([]byte, listBytes)
	}
	found := false
	for _, part := range []struct {
		in   uint8
		tree string
		file **folder
		add  func(string, fs.FileMode) (string, uint8)
	}{
		{inBodies, ".", &l.bodies, t.bodyItem(p.name)}, {inMeta, metaDir, &l.meta, metaItem}, {inParts, partsDir, &l.parts, partItem},
	} {
		if p.trees&part.in == 0 {
			continue
		}
		f, err := t.openFolder(path.Join(part.tree, p.name))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		if err == nil {
			*part.file = f
			err = f.each(t.names, func(name string, kind fs.FileMode) { l.add(part.add(name, kind)) })
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

// add takes a name, unless it is nothing.
func (l *listing) add(name string, where uint8) {
	if where == 0 {
		return
	}
	it := item{name: name, base: uint16(len(name)), where: where}
	if i := strings.Index(name, variantOf); i >= 0 {
		it.base = uint16(i)
	}
	l.items = append(l.items, it)
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
func (t *tree) bodyItem(folder string) func(string, fs.FileMode) (string, uint8) {
	return func(name string, kind fs.FileMode) (string, uint8) {
		where := inBodies
		switch {
		case kind.IsDir():
			where |= bodyIsDir
		case t.links && kind != fs.ModeSymlink:
			return "", 0
		}
		if folder != "" {
			return name, where
		}
		switch host, ok := decode(strings.TrimSuffix(name, continued)); {
		case name == private:
			return "", 0
		case !kind.IsDir():
			t.Skip(name, "it is not in the folder of a host")
			return "", 0
		case !ok || host == "" || !strings.HasSuffix(name, continued) && encodeSegment(host, true) != name:
			t.Skip(name, "it is not the folder of a host")
			return "", 0
		}
		return name, where
	}
}

func metaItem(name string, kind fs.FileMode) (string, uint8) {
	if kind.IsDir() {
		return name, inMeta
	}
	name, ok := strings.CutSuffix(name, metaExt)
	if !ok || name == "" {
		return "", 0
	}
	return name, metaFile
}

func partItem(name string, kind fs.FileMode) (string, uint8) {
	if kind.IsDir() {
		return name, inParts
	}
	for _, ext := range []string{metaExt, dataExt} {
		if name, ok := strings.CutSuffix(name, ext); ok && name != "" {
			return name, partFile
		}
	}
	return "", 0
}
