package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"time"

	"cachex/proxy/lock"
)

// gate is the way of an answer to a client when there is a lock. Behind it all
// answers are whole ones, whatever part the client asked for: only of these a
// digest is known. It takes the digest of what comes through, whoever sends it.
//
// With Proxy.Frozen it keeps back the end until it has seen all: a body that is
// not the one that is named never ends.
type gate struct {
	http.ResponseWriter
	p     *Proxy
	q     *query
	asked http.Header // the client's, of which parts and conditions are left out behind the gate

	sum    hash.Hash
	n      int64 // bytes of the body
	length int64 // announced, -1 unknown
	status int   // as it came, 0 before
	free   bool  // nothing is compared: see WriteHeader
	wrong  string
	answer http.Header // of a refusal, what came with it
	window window

	held      []byte
	released  time.Time
	committed bool
	sent      int64
	gone      error  // why the client gets no more
	end       func() // of the request's context, nil when it is the client's
}

const (
	// gateRoom is how much of a body is held before any is sent: an index that
	// differs is mostly shorter, and its client gets a refusal in words.
	gateRoom = 256 << 10
	// gateTail is how much of a longer one is held until it has been compared.
	gateTail = 64 << 10
	// gatePatience is for bodies that arrive slowly: clients wait for a byte for
	// 15 seconds at least (pip). All but the last byte is sent then.
	gatePatience = 2 * time.Second
)

// gated puts a gate before an answer, to be closed when it is complete.
func (p *Proxy) gated(w http.ResponseWriter, q *query) *gate {
	g := &gate{ResponseWriter: w, p: p, q: q, asked: q.r.Header, sum: sha256.New(), length: -1, released: p.now()}
	q.x.late = true
	if q.r.Method != http.MethodGet && q.r.Method != http.MethodHead || !wantsPart(q.r) {
		return g
	}
	// A client that has its part goes. The rest is fetched all the same, and when
	// the run ends as well if it is known how much that is (serveFlight).
	ctx, cancel := context.WithCancel(context.WithoutCancel(q.r.Context()))
	stop := context.AfterFunc(p.serving, cancel)
	g.end = func() { stop(); cancel() }
	q.partly = true
	r := q.r.WithContext(ctx)
	r.Header = r.Header.Clone()
	for _, name := range []string{"Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since"} {
		r.Header.Del(name)
	}
	q.r = r
	return g
}

// Unwrap is for http.ResponseController.
func (g *gate) Unwrap() http.ResponseWriter { return g.ResponseWriter }

// WriteHeader decides what becomes of an answer.
func (g *gate) WriteHeader(status int) {
	if g.status != 0 {
		return
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		g.ResponseWriter.WriteHeader(status)
		return
	}
	g.status = status
	h, want := g.Header(), g.q.want
	if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil {
		g.length = n
	}
	switch frozen := g.p.Frozen != nil; {
	case g.q.own, g.q.exempt, status == http.StatusSwitchingProtocols, frozen && want != nil && want.Soft:
		g.free = true
		g.commit(status)
	case !frozen:
		g.window = windowOf(g.q.r.Method, status, g.asked, h, g.length)
		g.commit(g.window.status)
	case want == nil: // nobody has asked refuseUnnamed
		g.wrong = "frozen: the lock does not name it"
	case status != want.Status && g.q.terms.Failing(status):
		g.wrong = "upstream failed: " + strconv.Itoa(status) + " " + http.StatusText(status)
	default:
		g.compareHead(want)
		g.window = windowOf(g.q.r.Method, status, g.asked, h, g.length)
	}
	if g.wrong != "" {
		g.answer = h.Clone()
	}
}

// compareHead compares what is known before the body.
func (g *gate) compareHead(want *lock.Line) {
	actual := lock.Line{Status: g.status, To: g.leadsTo()}
	bodyless := want.SHA256 == "" || g.q.r.Method == http.MethodHead
	switch {
	case g.status != want.Status, actual.To != want.To:
		g.wrong = g.q.differs(actual)
	case bodyless && want.SHA256 != "" && g.length >= 0 && g.length != want.Size:
		g.q.x.ex.Cause = CauseFrozen
		g.wrong = fmt.Sprintf("frozen: expected a length of %d bytes, got %d", want.Size, g.length)
	}
}

func (g *gate) leadsTo() string {
	if !isRedirect(g.status) {
		return ""
	}
	return leadsTo(g.q, g.Header())
}

// Write takes a piece of the whole body.
func (g *gate) Write(b []byte) (int, error) {
	if g.status == 0 {
		g.WriteHeader(http.StatusOK)
	}
	if g.free {
		n, err := g.ResponseWriter.Write(b)
		g.sent += int64(n)
		return n, err
	}
	g.sum.Write(b)
	piece := g.window.cut(g.n, b)
	g.n += int64(len(b))
	switch {
	case g.wrong != "", g.status >= 300 && g.p.Frozen != nil: // not compared, not sent
	case g.p.Frozen == nil:
		g.send(piece)
	default:
		g.held = append(g.held, piece...)
		if limit := map[bool]int{false: gateRoom, true: 2 * gateTail}[g.committed]; len(g.held) > limit {
			g.release(gateTail)
		}
	}
	if g.gone != nil && g.length < 0 {
		return 0, g.gone // it may never end
	}
	return len(b), nil
}

// FlushError sends what may be sent. Who waits for more calls it.
func (g *gate) FlushError() error {
	switch {
	case g.status == 0, g.wrong != "":
		return nil
	case g.p.Frozen != nil && !g.free:
		if len(g.held) < 2 || g.p.now().Sub(g.released) < gatePatience {
			return nil
		}
		g.release(1)
	}
	return http.NewResponseController(g.ResponseWriter).Flush()
}

// release sends all that is held but for so many bytes.
func (g *gate) release(keep int) {
	g.commit(g.window.status)
	n := max(0, len(g.held)-keep)
	g.send(g.held[:n])
	g.held = g.held[:copy(g.held, g.held[n:])]
	g.released = g.p.now()
}

// send goes on when a client has gone: the digest is that of all bytes.
func (g *gate) send(b []byte) {
	if len(b) > 0 && g.gone == nil {
		n, err := g.ResponseWriter.Write(b)
		g.sent += int64(n)
		g.gone = err
	}
}

// commit sends the header.
func (g *gate) commit(status int) {
	if g.committed {
		return
	}
	g.committed = true
	if !g.free {
		g.window.apply(g.Header())
	}
	g.ResponseWriter.WriteHeader(status)
}

// close ends the answer: it is called when whoever answers has returned, or
// panicked. It is to be deferred itself.
func (g *gate) close() {
	cause := recover()
	if g.end != nil {
		g.end()
	}
	x := g.q.x
	defer func() {
		x.late = false
		x.record()
	}()
	if cause != nil {
		panic(cause)
	}
	if g.status == 0 { // as net/http would
		g.WriteHeader(http.StatusOK)
	}
	if g.free {
		if g.q.soft {
			g.note(lock.Line{Soft: true})
		}
		return
	}
	got := lock.Line{Status: g.status, To: g.leadsTo()}
	body := g.q.r.Method != http.MethodHead && g.status < 300
	if body {
		got.SHA256, got.Size = hex.EncodeToString(g.sum.Sum(nil)), g.n
		x.ex.SHA256 = got.SHA256
	}
	if g.p.Frozen != nil {
		g.judge(got, body)
	}
	x.bytes, x.ex.Bytes = g.sent, g.sent
	if !g.q.own && g.window.status != 0 {
		x.ex.Status = g.window.status
	}
	if g.p.Frozen == nil && body && g.length >= 0 && g.n != g.length {
		return // it was not whole, and the client can tell
	}
	if body && g.q.r.Method == http.MethodGet {
		g.p.pin(g.q, got.SHA256, g.Header())
	}
	g.note(got)
}

// judge sends the rest of what is named, and refuses what differs.
func (g *gate) judge(got lock.Line, body bool) {
	want := g.q.want
	if g.wrong == "" && body && !g.q.unpinned && (got.SHA256 != want.SHA256 || got.Size != want.Size) {
		g.wrong = g.q.differs(got)
	}
	switch {
	case g.wrong == "" && g.status >= 300 && g.q.r.Method != http.MethodHead:
		g.sendStatus()
	case g.wrong == "":
		g.release(0)
	case g.committed:
		g.refused(g.status)
		panic(http.ErrAbortHandler)
	default:
		g.sendRefusal()
	}
}

// sendStatus sends a redirect or an error without the body that it came with,
// which nobody has compared.
func (g *gate) sendStatus() {
	h := g.Header()
	for _, name := range []string{"Content-Encoding", "Content-Range", "Etag", "Last-Modified", "Content-Length"} {
		h.Del(name)
	}
	text := ""
	if g.status >= 400 {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		text = fmt.Sprintf("cachex: %d %s, as the lock says\n", g.status, http.StatusText(g.status))
	}
	if g.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(text)))
	}
	g.committed = true
	g.ResponseWriter.WriteHeader(g.status)
	g.send([]byte(text))
}

// sendRefusal answers with the reason where nothing was sent yet.
func (g *gate) sendRefusal() {
	x := g.q.x
	x.bytes = 0
	clear(g.Header())
	g.committed, g.q.own = true, true
	if g.q.terms.Failing(g.status) && x.ex.Cause != CauseFrozen {
		mark(g.Header(), fwdMiss+"; detail=upstream-failed")
		g.Header().Set("X-Cachex", "error")
		if v := g.answer.Values("Retry-After"); len(v) > 0 {
			g.Header()["Retry-After"] = v
		}
		http.Error(g.ResponseWriter, "cachex: "+g.wrong, g.status)
		x.finish(Error, g.wrong, g.status)
		return
	}
	g.p.refuse(g.ResponseWriter, g.q, g.wrong)
}

// refused overrides what was recorded of an answer that was cut.
func (g *gate) refused(status int) {
	x := g.q.x
	x.bytes = g.sent
	x.finish(Refused, g.wrong, status)
}

// note records what was received.
func (g *gate) note(l lock.Line) {
	x := g.q.x
	if g.p.Lock == nil || g.q.exempt || g.q.own {
		return
	}
	switch x.ex.Outcome {
	case Hit, Revalidated, Stale, Miss, Pass:
	default:
		return
	}
	l.Name = g.p.lockName(g.q)
	switch {
	case g.q.soft || l.Soft || harmless(g.q) || l.Status == http.StatusPartialContent:
		l = lock.Line{Name: l.Name, Soft: true}
	case g.q.terms.Failing(l.Status) || l.Status >= 500:
		return // true for the moment alone
	default:
		l.Fields = g.p.lockFields(g.q, g.Header())
	}
	g.p.Lock.Record(l)
}
