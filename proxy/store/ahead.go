package store

import (
	"path"
	"runtime"
	"slices"
)

// Most of a walk is waiting for the kernel to look names up. So the folders that
// come next are looked through by some goroutines at once, while what they found
// is visited by one, in order. Sizes of 10^5 documents in 2*10^4 folders took 4.7 to
// 7.6 s on two busy processors, and 9.1 to 16.1 s one folder after the other.

// aheadItems bounds what is remembered of a folder that is looked into ahead. A
// larger one is listed alone, and looked through when it is its turn.
const aheadItems = 1024

// scan is one folder of a walk.
type scan struct {
	name    string
	trees   uint8
	meta    bool          // to be read
	done    chan struct{} // nil before it is begun
	listing *listing      // nil when the folder could not be read
	events  []event
	whole   bool // the events are all there is
}

// event is a document, or what was skipped and why.
type event struct {
	doc          Document
	name, reason string
}

// run looks through the folder.
func (sc *scan) run(s *Store) {
	defer close(sc.done)
	t := tree{Store: s, Walker: Walker{
		ReadMeta: sc.meta,
		Visit: func(d *Document) error {
			sc.events = append(sc.events, event{doc: Document{d.Key, slices.Clone(d.Forms)}})
			return nil
		},
		Skip: func(name, reason string) { sc.events = append(sc.events, event{name: name, reason: reason}) },
	}}
	l, err := t.list(sc.name, sc.trees)
	if err != nil {
		sc.whole = true
		t.Skip(sc.name, reasonOf(err))
		return
	}
	if sc.listing = l; len(l.items) > aheadItems {
		return
	}
	_ = t.folder(l) // Visit has no error
	l.close()       // a tree may be deeper than there are descriptors
	sc.whole = true
}

// visit tells of what was found, and gives the folders in the folder.
func (sc *scan) visit(t *tree) ([]*scan, error) {
	for i := range sc.events {
		e := &sc.events[i]
		if e.doc.Forms == nil {
			t.Skip(e.name, e.reason)
		} else if err := t.Visit(&e.doc); err != nil {
			return nil, err
		}
	}
	sc.events = nil
	if sc.listing == nil {
		return nil, nil
	}
	defer sc.listing.close()
	if !sc.whole {
		if err := t.folder(sc.listing); err != nil {
			return nil, err
		}
	}
	var folders []*scan
	for _, it := range sc.listing.items {
		if trees := it.folders(); trees != 0 {
			folders = append(folders, &scan{name: path.Join(sc.name, it.name), trees: trees, meta: sc.meta})
		}
	}
	return folders, nil
}

// walk visits a folder and all below it.
func (s *Store) walk(w Walker, first string) error {
	t := &tree{Store: s, Walker: w}
	todo := []*scan{{name: first, trees: inBodies | inMeta | inParts, meta: w.ReadMeta}} // the next is the last
	begun, most := 0, 4*runtime.GOMAXPROCS(0)
	defer func() { // when Visit has ended it
		for _, sc := range todo {
			if sc.done != nil {
				<-sc.done
				if sc.listing != nil {
					sc.listing.close()
				}
			}
		}
	}()
	for len(todo) > 0 {
		for i := len(todo) - 1; i >= max(0, len(todo)-most) && (begun < most || i == len(todo)-1); i-- {
			if sc := todo[i]; sc.done == nil {
				sc.done = make(chan struct{})
				begun++
				go sc.run(s)
			}
		}
		sc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		<-sc.done
		begun--
		folders, err := sc.visit(t)
		if err != nil {
			return err
		}
		slices.Reverse(folders)
		todo = append(todo, folders...)
	}
	return nil
}
