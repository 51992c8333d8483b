package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// A checksum database's tree is sent in tiles of 256 hashes; at its end there
// are partial ones, .../NNN.p/WIDTH (golang.org/x/mod/sumdb/tlog). Which widths
// a go command asks for depends on the order of its look-ups, and so on luck. A
// partial tile is the beginning of any wider one.

const (
	tileWidth = 256
	hashSize  = 32
)

// partialTile has the tile's path and the width. Tiles of records ("data") are
// no rows of hashes.
var partialTile = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(.*/tile/\d+/\d+/(?:x\d{3}/)*\d{3})\.p/(\d{1,3})$`)
})

// serveTile answers an offline request for a partial tile from a wider one. It
// reports false when there is none.
func (p *Proxy) serveTile(w http.ResponseWriter, q *query) bool {
	m := partialTile().FindStringSubmatch(q.key.Target)
	if m == nil {
		return false
	}
	width, err := strconv.Atoi(m[2])
	if err != nil || width < 1 || width >= tileWidth {
		return false
	}
	for wider := tileWidth; wider > width; wider-- {
		target := m[1]
		if wider < tileWidth {
			target = fmt.Sprintf("%s.p/%d", m[1], wider)
		}
		e, err := p.Store.Get(store.Key{Host: q.key.Host, Target: target}, q.base)
		if err != nil {
			continue
		}
		cut := make([]byte, width*hashSize)
		if e.File != nil {
			_, err = io.ReadFull(e.File, cut)
		}
		if e.File == nil || err != nil {
			e.Close()
			continue
		}
		p.serveCut(w, q, e, cut)
		return true
	}
	return false
}

// serveCut serves the beginning of an entry, and closes it.
func (p *Proxy) serveCut(w http.ResponseWriter, q *query, e *store.Entry, cut []byte) {
	defer e.Close()
	p.head(w.Header(), q, &e.Meta, -1)
	for _, name := range []string{"ETag", "Last-Modified"} {
		w.Header().Del(name)
	}
	mark(w.Header(), "hit; detail=wider-tile")
	out := &responseMeter{ResponseWriter: w}
	serveContent(out, q.r, http.Header{}, bytes.NewReader(cut))
	q.x.bytes = out.n
	q.x.finish(Hit, policy.ChecksumTile+" (cut from a wider one)", out.status)
}
