package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"cachex/proxy/lock"
	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// With Proxy.Lock what is sent to clients is recorded, and with Proxy.Frozen it
// must be what a lock names. Whatever else answers a request, its answer goes
// through a gate (gate.go), which sees the bytes. This is about names, and about
// finding what a lock names: it may be older than what is kept as the newest.

// locked tells whether answers go through a gate.
func (p *Proxy) locked() bool { return p.Lock != nil || p.Frozen != nil }

// lockName is what a lock calls a request by.
func (p *Proxy) lockName(q *query) lock.Name {
	n := lock.Name{
		Method: q.r.Method, URL: lock.Clean(q.key.URL(q.url.Scheme)),
		As: joinLabels(q.public, q.question), Auth: q.auth,
	}
	if m := partialTile().FindStringSubmatch(q.key.Target); m != nil {
		// Which widths are asked for is a matter of luck; see tile.go.
		n.URL = lock.Clean(store.Key{Host: q.key.Host, Target: m[1] + anyWidth}.URL(q.url.Scheme))
	}
	return n
}

// anyWidth stands for the width of a partial tile.
const anyWidth = ".p/*"

// harmless tells of answers that may be any as far as a build's result goes:
// partial tiles, whose hashes the client compares with signed ones, and what a
// git server can do, which has no refs in it.
func harmless(q *query) bool {
	return partialTile().MatchString(q.key.Target) || strings.HasSuffix(q.url.Path, infoRefs) && q.public == "git-version=2"
}

// lockFields are the fields of a request that selected an answer, where they say
// more than the name does.
func (p *Proxy) lockFields(q *query, answer http.Header) map[string]string {
	names := q.terms.Selecting(answer)
	byAccept := strings.HasPrefix(q.public, "accept-")
	if byAccept && !slices.Contains(names, "accept") {
		names = append(names, "accept") // to ask the same again
	}
	fields := policy.Selected(names, q.r.Header)
	for name, value := range fields {
		if value == "" || name == "accept" && q.public != "" && !byAccept {
			delete(fields, name)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return fields
}

// wanted is the line that names the answer to a request, nil when there is none.
func (p *Proxy) wanted(q *query) *lock.Line {
	selects := func(fields map[string]string) bool { return policy.Selects(fields, nil, q.r.Header) }
	n := p.lockName(q)
	l, ok := p.Frozen.Find(n, selects)
	if !ok && n.Method == http.MethodHead {
		n.Method = http.MethodGet // its answer is as good
		l, ok = p.Frozen.Find(n, selects)
	}
	if !ok { // the tree had not filled that tile
		n.URL += anyWidth
		l, ok = p.Frozen.Find(n, selects)
	}
	if !ok {
		return nil
	}
	return &l
}

// refuseUnnamed answers a request that a lock does not name, and tells whether it
// did. It is asked before anything is sent on or looked up.
func (p *Proxy) refuseUnnamed(w http.ResponseWriter, q *query) bool {
	if p.Frozen == nil || q.exempt {
		return false
	}
	if q.want = p.wanted(q); q.want != nil {
		return false
	}
	q.x.ex.Cause = CauseFrozen
	p.refuse(w, q, "frozen: the lock does not name it")
	return true
}

// unnamedTunnel says why a connection may not be carried, "" when it may.
func (p *Proxy) unnamedTunnel(rawURL string) string {
	if p.Frozen == nil {
		return ""
	}
	n := lock.Name{Method: http.MethodConnect, URL: lock.Clean(rawURL)}
	if _, ok := p.Frozen.Find(n, func(map[string]string) bool { return true }); ok {
		return ""
	}
	return "frozen: the lock does not name it"
}

// recordTunnel notes that a connection was carried.
func (p *Proxy) recordTunnel(rawURL string) {
	if p.Lock != nil {
		p.Lock.Record(lock.Line{Name: lock.Name{Method: http.MethodConnect, URL: lock.Clean(rawURL)}, Soft: true})
	}
}

// rounds bounds how often servePinned looks again because others store the same.
const rounds = 8

// servePinned answers a request whose answer a lock names, from what is kept if
// that is it, however old, and else from upstream. It reports false where no
// answer is named.
func (p *Proxy) servePinned(w http.ResponseWriter, q *query) bool {
	want := q.want
	switch {
	case want == nil || q.exempt:
		return false
	case want.Soft && (harmless(q) || strings.HasSuffix(want.URL, anyWidth)):
		return false
	case want.Soft:
		// What the cache has may be anybody's.
		p.pass(w, q, "soft: the lock names no bytes")
		return true
	}
	if want.Status == http.StatusOK && !q.fixed && q.r.Method == http.MethodGet {
		q.sha256, q.named = want.SHA256, "lock" // nothing else is worth keeping
	}
	for range rounds {
		if e, ok := p.findPinned(q, want); ok {
			e.Header = policy.KeptHeader(e.Header) // whoever wrote it
			if why := q.readFirst(e); why != "" {
				e.Close()
				p.refuse(w, q, why)
				return true
			}
			p.serveEntry(w, q, e, Hit, policy.Use{Fresh: true, Reason: "as the lock says", Age: -1})
			return true
		}
		if p.serveStatus(w, q, want) {
			return true
		}
		old, variant, err := p.find(q)
		why := "not as the lock says"
		if err != nil {
			why = err.Error()
		}
		switch {
		case p.Offline:
			closeEntry(old)
			p.serveOtherwise(w, q, old, why)
			return true
		case q.r.Method == http.MethodHead:
			p.serveHead(w, q, variant, old, policy.Use{})
			return true
		}
		q.unpinned = q.fixed
		if p.serveFetched(w, q, asked{variant: variant, old: old, why: why, cause: lockCause(old, err)}) {
			return true
		}
		q.unpinned = false
	}
	p.refuse(w, q, "frozen: it changes all the time")
	return true
}

// lockCause is why what a lock names has to be fetched.
func lockCause(old *store.Entry, err error) Cause {
	if old != nil {
		return CauseLock
	}
	return causeOf(err)
}

// serveOtherwise answers, offline, where what is named is not kept: from a mirror
// of git, or with a refusal that says what there is.
func (p *Proxy) serveOtherwise(w http.ResponseWriter, q *query, old *store.Entry, why string) {
	q.unpinned = q.fixed
	if q.standIn(w, "offline") {
		return
	}
	if old == nil {
		q.x.ex.Cause = CauseOffline
		p.refuse(w, q, "offline: "+why)
		return
	}
	actual := lock.Line{Status: old.Status, SHA256: old.SHA256, Size: old.Size, To: leadsTo(q, old.Header)}
	p.refuse(w, q, q.differs(actual))
}

// differs says that an answer is not the one that is named.
func (q *query) differs(actual lock.Line) string {
	q.x.ex.Cause = CauseFrozen
	q.x.ex.Expected = q.want.SHA256
	q.x.ex.SHA256 = actual.SHA256
	return "frozen: expected " + inWords(*q.want) + ", got " + inWords(actual)
}

func inWords(l lock.Line) string {
	switch {
	case l.To != "":
		return fmt.Sprintf("status %d to %s", l.Status, l.To)
	case l.Status >= 300 || l.SHA256 == "":
		return fmt.Sprintf("status %d", l.Status)
	}
	return fmt.Sprintf("sha256 %s of %d bytes", l.SHA256, l.Size)
}

// findPinned opens a kept answer that is, or claims to be, what a lock names; the
// gate compares the bytes. A user's own file claims nothing, and is one that was
// edited perhaps: it comes last.
func (p *Proxy) findPinned(q *query, want *lock.Line) (*store.Entry, bool) {
	e, _, err := p.find(q)
	if err == nil && p.isPinned(q, e, want) {
		return e, true
	}
	for _, v := range slices.Compact([]string{joinLabels(q.base, pinOf(want.SHA256)), q.public, joinLabels(q.public, pinOf(want.SHA256)), previous}) {
		other, gone := p.Store.Get(q.key, v)
		if gone == nil {
			other, _, gone = p.usable(q, other, v)
		}
		if gone != nil {
			continue
		}
		if !other.Own && other.SHA256 != "" && p.isPinned(q, other, want) {
			closeEntry(e)
			return other, true
		}
		other.Close()
	}
	if err == nil && e.Own && e.File != nil && want.SHA256 != "" {
		return e, true
	}
	closeEntry(e)
	return nil, false
}

// readFirst reads a kept file that is too long for a gate to hold, and says why it
// is refused, "" when it is not. Its bytes are compared once more while they are
// sent; but a client that gets a refusal in words knows what to do, and one whose
// answer was cut tries again, or waits (apt 2.6: for minutes).
func (q *query) readFirst(e *store.Entry) string {
	if e.File == nil || e.Size <= gateRoom || e.Size > readFirstMost || q.want.SHA256 == "" {
		return ""
	}
	sum := sha256.New()
	n, err := io.Copy(sum, e.File)
	if err == nil {
		_, err = e.File.Seek(0, io.SeekStart)
	}
	got := lock.Line{Status: e.Status, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}
	switch {
	case err != nil:
		return "frozen: " + err.Error()
	case got.SHA256 != q.want.SHA256:
		return q.differs(got)
	}
	return ""
}

// readFirstMost bounds what is read before it is sent: 64 MiB take some 0.1 seconds,
// and longer files would keep their clients waiting.
const readFirstMost = 64 << 20

// isPinned compares what is known without reading the body.
func (p *Proxy) isPinned(q *query, e *store.Entry, want *lock.Line) bool {
	switch {
	case e.Status != want.Status:
		return false
	case want.SHA256 != "":
		return e.SHA256 == want.SHA256
	case isRedirect(e.Status):
		return leadsTo(q, e.Header) == want.To && (p.Offline || p.hasTarget(q, e))
	}
	return e.Status >= 300 || q.r.Method == http.MethodHead
}

// leadsTo is where a redirect leads, without secrets.
func leadsTo(q *query, answer http.Header) string {
	location := answer.Get("Location")
	if location == "" {
		return ""
	}
	to, err := q.url.Parse(location)
	if err != nil {
		return lock.Clean(policy.KeptHeader(http.Header{"Location": {location}}).Get("Location"))
	}
	unsigned := *policy.Unsigned(to)
	unsigned.User = nil
	return lock.Clean(unsigned.String())
}

// serveStatus answers with an error that a lock names, which needs nothing else:
// its text is not compared, and not sent. What asks for credentials says how in
// its header. A redirect is made only offline: its target may be signed.
func (p *Proxy) serveStatus(w http.ResponseWriter, q *query, want *lock.Line) bool {
	switch {
	case want.Status >= 400 && want.Status != http.StatusUnauthorized && want.Status != http.StatusProxyAuthRequired:
	case isRedirect(want.Status) && want.To != "" && p.Offline:
		w.Header().Set("Location", want.To)
	default:
		return false
	}
	if !p.Offline && !isRedirect(want.Status) {
		p.keepNamed(q, want.Status)
	}
	mark(w.Header(), "hit; detail=lock")
	w.WriteHeader(want.Status)
	q.x.finish(Hit, "as the lock says", want.Status)
	return true
}

// keepNamed keeps an error that a lock names where nothing is kept, for runs
// without network. It was received long ago: with a network it is asked for again.
func (p *Proxy) keepNamed(q *query, status int) {
	if e, _, err := p.find(q); err == nil {
		e.Close()
		return
	}
	m := &store.Meta{URL: q.key.URL(q.url.Scheme), Status: status, Header: http.Header{}}
	if err := p.keepStatus(q, m); err != nil {
		p.Log.Debug("keep status", "err", err)
	}
}

// pinOf is the label under which what a lock names stays when it is replaced.
func pinOf(sha256 string) string { return "lock-" + sha256[:min(len(sha256), 16)] }

// pin keeps an answer that may change under a name of its own, so that runs with
// the lock have it for as long as the cache does. It is a link to the same file,
// and takes 2 milliseconds once.
func (p *Proxy) pin(q *query, sum string, answer http.Header) {
	if _, artifact := policy.Artifact(q.url, http.StatusOK, answer); artifact || p.Store.ReadOnly() || q.body != nil && q.fixed {
		return
	}
	label := joinLabels(q.base, pinOf(sum))
	if p.keptDigest(q.key, label) == sum {
		return
	}
	e, variant, err := p.find(q)
	if err != nil {
		return
	}
	e.Close()
	if e.SHA256 != sum || variant == label {
		return
	}
	if err := p.Store.Preserve(q.key, variant, label); err != nil {
		p.Log.Debug("pin", "err", err)
	}
}

// acceptOf is the field that asks for one of several representations, "" where
// the answer does not depend on it.
func acceptOf(q *query) string {
	if !policy.ByMediaType(q.public) {
		return ""
	}
	return strings.Join(q.r.Header.Values("Accept"), ", ")
}
