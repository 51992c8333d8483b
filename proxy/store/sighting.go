package store

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
	if e.body == (fileState{}) || e.meta == (fileState{}) || len(s.lower) > 0 {
		return nil
	}
	g := &Sighting{s, sighted{k.Name(variant), e.body}, sighted{metaName(k, variant), e.meta}}
	if g.Holds() {
		return g
	}
	g.body.name += "/" + selfName // its name may be a folder
	if g.Holds() {
		return g
	}
	return nil
}

// Holds tells whether nothing has changed since.
func (g *Sighting) Holds() bool { return g.body.holds(g.store) && g.meta.holds(g.store) }

func (f *sighted) holds(s *Store) bool {
	now, err := s.state(f.name)
	return err == nil && now == f.state
}
