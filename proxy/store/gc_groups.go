package store

import (
	"hash/maphash"
	"maps"
	"slices"
	"time"
)

// groups are documents that go together: redirects and what they lead to. A key is
// remembered by a hash of 64 bits; two that share one by chance go together.
type groups struct {
	seed    maphash.Seed
	parent  map[uint64]uint64 // a forest, each tree a group (union-find)
	members map[uint64]*group // by the tree's root
}

// group is what is known of one.
type group struct {
	bytes         int64
	used          time.Time // when any of it was
	decided, goes bool
}

func (g *groups) hash(k Key) uint64 { return maphash.String(g.seed, k.Host+k.Target) }

func (g *groups) root(h uint64) uint64 {
	for {
		p := g.parent[h]
		if p == h {
			return h
		}
		g.parent[h] = g.parent[p] // so that trees stay flat
		h = p
	}
}

// join makes two documents members of one group.
func (g *groups) join(a, b Key) {
	if g.parent == nil {
		g.parent = map[uint64]uint64{}
	}
	roots := [2]uint64{}
	for i, k := range []Key{a, b} {
		h := g.hash(k)
		if _, known := g.parent[h]; !known {
			g.parent[h] = h
		}
		roots[i] = g.root(h)
	}
	g.parent[roots[0]] = roots[1]
}

// of is the group of a document, nil when it is in none. No more are joined then.
func (g *groups) of(k Key) *group {
	if g.parent == nil {
		return nil
	}
	h := g.hash(k)
	if _, known := g.parent[h]; !known {
		return nil
	}
	if g.members == nil {
		g.members = map[uint64]*group{}
	}
	r := g.root(h)
	if g.members[r] == nil {
		g.members[r] = &group{}
	}
	return g.members[r]
}

// add counts a document to its group, if it is in one.
func (g *groups) add(k Key, bytes int64, used time.Time) bool {
	m := g.of(k)
	if m == nil {
		return false
	}
	m.bytes += bytes
	if used.After(m.used) {
		m.used = used
	}
	return true
}

// sums are all groups.
func (g *groups) sums() []*group { return slices.Collect(maps.Values(g.members)) }

func sortedMinutes(uses map[int64]int64) []int64 { return slices.Sorted(maps.Keys(uses)) }
