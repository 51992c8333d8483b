package proxy

import (
	"io"
	"path"
	"strings"
	"sync"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// The indexes of an apt repository are of one generation, which its Release
// file names by digests. A run that was cut leaves the newer Release with older
// indexes. So what is replaced stays beside what is new, and offline the
// generation is served of which most is there.

// previous is the variant of an index that was replaced.
const previous = "previous"

// generations are the choices that were made, by the Release file's folder.
type generations struct {
	mu     sync.Mutex
	chosen map[string]*generation
}

// generation is one Release file that is kept.
type generation struct {
	label   string            // "" or previous
	digests map[string]string // by name below the folder
}

// maxRelease bounds a Release file that is read.
const maxRelease = 16 << 20

// coherent is the variant that an offline request for an apt index is answered
// with, so that all are of one generation.
func (p *Proxy) coherent(q *query) string {
	index, list := policy.AptIndex(q.key.Target)
	if !index || q.base != q.public {
		return q.base
	}
	folder, g := p.generationOf(q.key)
	if g == nil {
		return q.base
	}
	if list {
		if g.label != "" && p.keptDigest(q.key, previous) != "" {
			return previous
		}
		return q.base
	}
	want := g.digests[strings.TrimPrefix(q.key.Target, folder)]
	if want != "" && p.keptDigest(q.key, q.base) != want && p.keptDigest(q.key, previous) == want {
		return previous
	}
	return q.base
}

// generationOf finds the Release file that an index belongs to, in the nearest
// folder above it, and chooses among those that are kept.
func (p *Proxy) generationOf(k store.Key) (folder string, g *generation) {
	p.generations.mu.Lock()
	defer p.generations.mu.Unlock()
	for folder = path.Dir(k.Target); ; folder = path.Dir(folder) {
		at := strings.TrimSuffix(folder, "/") + "/"
		g, known := p.generations.chosen[k.Host+at]
		if !known {
			g = p.choose(k.Host, at)
			if p.generations.chosen == nil {
				p.generations.chosen = map[string]*generation{}
			}
			p.generations.chosen[k.Host+at] = g
		}
		if g != nil || at == "/" || folder == "." {
			return at, g
		}
	}
}

// choose takes the generation of which most is there; of two alike the newer.
func (p *Proxy) choose(host, folder string) *generation {
	var best *generation
	most := -1
	for _, label := range []string{"", previous} {
		g := p.readGeneration(host, folder, label)
		if g == nil {
			continue
		}
		if n := p.covered(host, folder, g); n > most {
			best, most = g, n
		}
	}
	return best
}

// readGeneration reads a kept InRelease or Release file.
func (p *Proxy) readGeneration(host, folder, label string) *generation {
	for _, name := range []string{"InRelease", "Release"} {
		e, err := p.Store.Get(store.Key{Host: host, Target: folder + name}, label)
		if err != nil {
			continue
		}
		var text []byte
		if e.File != nil {
			text, err = io.ReadAll(io.LimitReader(e.File, maxRelease))
		}
		e.Close()
		if digests := policy.AptDigests(text); err == nil && digests != nil {
			return &generation{label, digests}
		}
	}
	return nil
}

// covered counts the indexes of a generation that are kept, by name or by hash.
func (p *Proxy) covered(host, folder string, g *generation) int {
	n := 0
	for name, digest := range g.digests {
		k := store.Key{Host: host, Target: folder + name}
		byHash := store.Key{Host: host, Target: folder + path.Join(path.Dir(name), "by-hash/SHA256", digest)}
		if p.keptDigest(k, "") == digest || p.keptDigest(k, previous) == digest || p.keptDigest(byHash, "") == digest {
			n++
		}
	}
	return n
}

// keptDigest is the SHA-256 digest of a kept file, "" for none.
func (p *Proxy) keptDigest(k store.Key, variant string) string {
	e, err := p.Store.Get(k, variant)
	if err != nil {
		return ""
	}
	defer e.Close()
	if e.File == nil {
		return ""
	}
	return e.SHA256
}

// preserve keeps an apt index that is about to be replaced, unless what is kept
// of an earlier one is worth more.
func (p *Proxy) preserve(k store.Key, variant string, sum string) {
	index, list := policy.AptIndex(k.Target)
	if !index || variant != "" {
		return
	}
	if now := p.keptDigest(k, ""); now == "" || now == sum {
		return
	}
	if earlier := p.keptDigest(k, previous); earlier != "" && p.worthMore(k, list, earlier) {
		return
	}
	if err := p.Store.Preserve(k, "", previous); err != nil {
		p.Log.Debug("preserve", "err", err)
	}
}

// worthMore tells whether an index that was replaced before belongs to a
// generation of which more is there than of the present one.
func (p *Proxy) worthMore(k store.Key, list bool, earlier string) bool {
	for folder := path.Dir(k.Target); ; folder = path.Dir(folder) {
		at := strings.TrimSuffix(folder, "/") + "/"
		was := p.readGeneration(k.Host, at, previous)
		now := p.readGeneration(k.Host, at, "")
		switch {
		case was != nil && list:
			return now != nil && p.covered(k.Host, at, was) > p.covered(k.Host, at, now)
		case was != nil:
			return was.digests[strings.TrimPrefix(k.Target, at)] == earlier
		case now != nil, at == "/", folder == ".":
			return false
		}
	}
}
