package proxy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// lfsLinks remembers what the links of this run's batches are to.
type lfsLinks struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]lfsLink
}

// lfsLink is what a link leads to. Whoever has the link, signature included,
// and credentials that the batch was asked with or gave, may have the object.
type lfsLink struct {
	oid     string
	key     store.Key
	base    string
	allowed []string // hashes of credentials
}

// maxLinks bounds the links that are remembered, at some 400 bytes each. The
// objects of what is forgotten are kept under the URLs of their links.
const maxLinks = 100_000

func linkID(u *url.URL) [sha256.Size]byte {
	return sha256.Sum256([]byte(store.KeyOf(u).URL(u.Scheme)))
}

// note remembers the links of an answer. Credentials are those that the batch
// was sent with or gives for the link. None are asked for where there were
// none, and where a signature stands for them.
func (l *lfsLinks) note(p *Proxy, q *query, answer lfsResponse) {
	asked := policy.Credentials(q.r.Header)
	for _, o := range answer.Objects {
		action := o.Actions["download"]
		u, err := url.Parse(action.Href)
		if err != nil || !u.IsAbs() || !isOID(o.OID) {
			continue
		}
		header := http.Header{}
		for name, value := range action.Header {
			header.Set(name, value)
		}
		allowed := []string{p.Store.Hash(asked)}
		if given := policy.Credentials(header); given != "" || policy.IsSigned(u) {
			allowed = append(allowed, p.Store.Hash(given))
		}
		l.add(u, lfsLink{oid: o.OID, key: objectKey(q.key, o.OID), base: q.base, allowed: allowed})
	}
}

// redirected remembers where a link led, which is without credentials on
// another host, or with a signature.
func (l *lfsLinks) redirected(p *Proxy, from *url.URL, location string, link lfsLink) {
	to, err := from.Parse(location)
	if err != nil {
		return
	}
	if to.Host != from.Host || policy.IsSigned(to) {
		link.allowed = append(slices.Clone(link.allowed), p.Store.Hash(""))
	}
	l.add(to, link)
}

func (l *lfsLinks) add(u *url.URL, link lfsLink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil || len(l.known) >= maxLinks {
		l.known = map[[sha256.Size]byte]lfsLink{}
	}
	l.known[linkID(u)] = link
}

func (l *lfsLinks) find(p *Proxy, q *query) (lfsLink, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) == 0 {
		return lfsLink{}, false
	}
	link, ok := l.known[linkID(q.url)]
	return link, ok && slices.Contains(link.allowed, p.Store.Hash(policy.Credentials(q.r.Header)))
}

// serveObject answers for a link. What a redirect leads to is the same object.
func (p *Proxy) serveObject(w http.ResponseWriter, q *query, link lfsLink) {
	q.key, q.base, q.sha256, q.auth = link.key, link.base, link.oid, Private(link.base)
	if p.refuseUnnamed(w, q) {
		return
	}
	if e, ok := p.keptObject(q, q.key, link.oid); ok {
		p.serveEntry(w, q, e, Hit, policy.Use{Fresh: true, Reason: "artifact: LFS object", Age: -1})
		return
	}
	p.dropObject(q)
	p.serveCached(&redirectNoter{w, func(location string) { p.lfs.redirected(p, q.url, location, link) }}, q)
}

// digests are those that the answer to a fetch must have.
func (want *fetch) digests(answer http.Header, coded bool) []policy.Digest {
	all := policy.Digests(want.url, answer, coded)
	if sum, err := hex.DecodeString(want.sha256); err == nil && want.sha256 != "" {
		all = append(all, policy.Digest{Algorithms: []string{"sha256"}, Sum: sum, Where: cmp.Or(want.named, "batch")})
	}
	return all
}

// dropObject removes what was found not to be the object.
func (p *Proxy) dropObject(q *query) {
	e, err := p.Store.Get(q.key, q.base)
	if err != nil {
		return
	}
	e.Close()
	if err := p.Store.Remove(q.key, q.base); err != nil {
		p.Log.Debug("drop LFS object", "err", err)
	}
}

// redirectNoter tells where a redirect leads before the client knows.
type redirectNoter struct {
	http.ResponseWriter
	note func(location string)
}

// WriteHeader looks at the header that is about to be sent.
func (n *redirectNoter) WriteHeader(status int) {
	if isRedirect(status) {
		n.note(n.Header().Get("Location"))
	}
	n.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (n *redirectNoter) Unwrap() http.ResponseWriter { return n.ResponseWriter }
