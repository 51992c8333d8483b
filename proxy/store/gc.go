package store

import (
	"hash/maphash"
	"math"
	"net/url"
	"time"
)

// Collector makes a directory smaller: what was not used for longest goes first. A
// document goes with all its forms, and with the redirects that lead to it; a
// mirror of a git repository goes as a whole. A user's own files stay.
type Collector struct {
	// MaxSize is how many bytes may stay; negative is no limit. Own files count.
	MaxSize int64
	// UnusedFor removes what was not used for as long; 0 removes nothing for that.
	UnusedFor time.Duration
	// DryRun removes nothing.
	DryRun bool
	// Now is the time; the zero time is time.Now.
	Now time.Time
	// Seen is told of each document, and its bytes, before any is removed. nil
	// ignores it.
	Seen func(bytes int64)
	// Removed is told of what is removed, or would be. nil ignores it.
	Removed func(k Key, bytes int64, used time.Time) error
}

// Collected is what a Collector did.
type Collected struct {
	// Before is the size of all that was there, in bytes.
	Before int64
	// Documents and Freed are what was removed, or would be.
	Documents int
	Freed     int64
	// Own is the size of the user's own files.
	Own int64
	// Busy counts documents that are being fetched or were used meanwhile.
	Busy int
}

// Memory is bounded by going through the directory twice: first the bytes that
// were last used in each minute are added up, which tells the minute up to which
// all must go, then they go. Two collectors at once, and runs, do each other no
// harm: what another has removed is free as well.

// useStep is how exact the order of uses is kept.
const useStep = time.Minute

// collection is a Collector at work.
type collection struct {
	*Store
	Collector
	Collected
	groups    groups
	discarder *Discarder      // nil for a dry run
	uses      map[int64]int64 // bytes by the minute of their last use
	limit     int64           // minutes before it go
	need      int64           // bytes that must go
}

// Collect makes the directory smaller.
func (s *Store) Collect(c Collector) (Collected, error) {
	if s.readOnly && !c.DryRun {
		return Collected{}, ErrReadOnly
	}
	if c.Now.IsZero() {
		c.Now = time.Now()
	}
	if c.Seen == nil {
		c.Seen = func(int64) {}
	}
	if c.Removed == nil {
		c.Removed = func(Key, int64, time.Time) error { return nil }
	}
	g := &collection{Store: s, Collector: c, uses: map[int64]int64{}, groups: groups{seed: maphash.MakeSeed()}}
	if err := g.redirects(); err != nil {
		return Collected{}, err
	}
	if err := g.count(); err != nil {
		return Collected{}, err
	}
	if g.decide(); g.limit == math.MinInt64 {
		return g.Collected, nil
	}
	if !g.DryRun {
		var err error
		if g.discarder, err = s.NewDiscarder(); err != nil {
			return g.Collected, err
		}
		defer g.discarder.Close()
	}
	err := g.remove()
	return g.Collected, err
}

// stays tells whether a form is never removed: it is the user's.
func (g *collection) stays(f Form) bool {
	return f.Kind != FormParts && (f.Own() || isAlways(f.Used, g.Now))
}

// measureDocument adds up what may be removed of a document.
func (g *collection) measureDocument(d *Document) (bytes int64, used time.Time) {
	for _, f := range d.Forms {
		if g.stays(f) {
			continue
		}
		bytes += f.Size + max(f.MetaSize, 0)
		if f.Used.After(used) {
			used = f.Used
		}
	}
	return bytes, used
}

// count adds up all there is by the minute of its last use.
func (g *collection) count() error {
	err := g.Walk(Walker{Visit: func(d *Document) error {
		bytes, used := g.measureDocument(d)
		own := d.Bytes() - bytes
		g.Own += own
		g.Before += bytes + own
		g.Seen(bytes + own)
		if !g.groups.add(d.Key, bytes, used) {
			g.uses[minute(used)] += bytes
		}
		return nil
	}})
	if err != nil {
		return err
	}
	for _, m := range g.groups.sums() {
		g.uses[minute(m.used)] += m.bytes
	}
	return g.Repositories(func(r Repository) error {
		g.Before += r.Size
		g.uses[minute(r.Used)] += r.Size
		return nil
	})
}

func minute(t time.Time) int64 { return t.Unix() / int64(useStep/time.Second) }

// decide finds the minute up to which all must go, and how much of that minute.
func (g *collection) decide() {
	g.limit, g.need = math.MinInt64, 0
	unusedSince := int64(0)
	if g.UnusedFor > 0 {
		unusedSince = minute(g.Now.Add(-g.UnusedFor))
	}
	excess := int64(0)
	if g.MaxSize >= 0 {
		excess = g.Before - g.MaxSize
	}
	for _, m := range sortedMinutes(g.uses) {
		if m >= unusedSince && excess <= 0 {
			break
		}
		if m < unusedSince || excess >= g.uses[m] {
			g.limit, g.need = m+1, 0
		} else {
			g.limit, g.need = m, excess
		}
		excess -= g.uses[m]
	}
}

// doomed tells whether what was last used at a time goes.
func (g *collection) doomed(bytes int64, used time.Time) bool {
	switch m := minute(used); {
	case m < g.limit:
		return true
	case m > g.limit || g.need <= 0:
		return false
	}
	g.need -= bytes
	return true
}

// remove goes through the directory again.
func (g *collection) remove() error {
	// A document goes by the form that was used last, or with its group.
	all := Walker{ReadUnused: time.Unix((g.limit+1)*int64(useStep/time.Second), 0)}
	all.Visit = func(d *Document) error {
		bytes, used := g.measureDocument(d)
		if bytes == 0 && used.IsZero() {
			return nil
		}
		goes := false
		if m := g.groups.of(d.Key); m != nil {
			if !m.decided {
				m.goes, m.decided = g.doomed(m.bytes, m.used), true
			}
			goes = m.goes && !used.After(m.used)
		} else {
			goes = g.doomed(bytes, used)
		}
		if !goes {
			return nil
		}
		return g.drop(d, used)
	}
	err := g.Walk(all)
	if err != nil {
		return err
	}
	return g.Repositories(func(r Repository) error {
		if !g.doomed(r.Size, r.Used) {
			return nil
		}
		freed := r.Size
		if !g.DryRun {
			var err error
			if freed, err = g.DiscardRepository(r, r.Used); err != nil {
				return err
			}
		}
		return g.gone(r.Key, freed, r.Used)
	})
}

// drop removes a document but for what is the user's.
func (g *collection) drop(d *Document, used time.Time) error {
	freed, busy := int64(0), false
	for _, f := range d.Forms {
		if g.stays(f) {
			continue
		}
		bytes := f.Size + max(f.MetaSize, 0)
		if f.Meta != nil && f.Meta.Mine { // its mark was lost
			g.Own += bytes
			continue
		}
		if !g.DryRun {
			var err error
			if bytes, err = g.discarder.DiscardIdle(d.Key, f); err != nil {
				return err
			}
		}
		freed += bytes
		busy = busy || bytes == 0
	}
	if freed == 0 && busy {
		g.Busy++
	}
	return g.gone(d.Key, freed, used)
}

func (g *collection) gone(k Key, freed int64, used time.Time) error {
	if freed == 0 {
		return nil
	}
	g.Documents++
	g.Freed += freed
	return g.Removed(k, freed, used)
}

// redirects finds the links that are redirects, whose targets go with them.
func (g *collection) redirects() error {
	return g.Walk(Walker{links: true, Visit: func(d *Document) error {
		for _, f := range d.Forms {
			if f.Kind == FormStatus && f.Status[0] == '3' {
				g.redirect(d.Key, f.Variant)
			}
		}
		return nil
	}})
}

// redirect puts a redirect and its target into one group.
func (g *collection) redirect(k Key, variant string) {
	m, err := g.readMeta(k, variant)
	if err != nil {
		return
	}
	from, err := url.Parse(m.URL)
	if err != nil {
		return
	}
	to, err := from.Parse(m.Header.Get("Location"))
	if err != nil || m.Header.Get("Location") == "" {
		return
	}
	g.groups.join(k, KeyOf(to))
}
