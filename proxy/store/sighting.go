package store

import "io/fs"

// Sighting is how the files of an entry were when it was read. It tells, without
// opening anything, that they are the same still: nobody has edited, replaced or
// removed one.
type Sighting struct {
	store      *Store
	body, meta sighted
}

// sighted is a file's name, and how it was.
type sighted struct {
	name  string
	state fileState
}

// Sight is the Sighting of an entry that was got by a key and a variant. It is nil
// where there is none: an entry without a file or without metadata, one whose files
// have changed by now, and directories in layers, where another one may come to lie
// above it.
func (s *Store) Sight(k Key, variant string, e *Entry) *Sighting {
	if e.body == nil || e.meta == nil || len(s.lower) > 0 {
		return nil
	}
	g := &Sighting{store: s, body: sighted{name: s.bodyName(k, variant)}, meta: sighted{name: metaName(k, variant)}}
	if !g.body.sight(s, e.body) || !g.meta.sight(s, e.meta) {
		return nil
	}
	return g
}

// sight notes how a file is, if it is still the one that was opened.
func (f *sighted) sight(s *Store, opened fs.FileInfo) bool {
	var err error
	f.state, err = s.state(f.name)
	return err == nil && f.state.isOf(opened)
}

// Holds tells whether nothing has changed since.
func (g *Sighting) Holds() bool { return g.body.holds(g.store) && g.meta.holds(g.store) }

func (f *sighted) holds(s *Store) bool {
	now, err := s.state(f.name)
	return err == nil && now == f.state
}
