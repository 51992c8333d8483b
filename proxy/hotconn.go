package proxy

import (
	"bytes"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// hotConn is a client's connection of HTTP/1.1 that answers what is hot itself:
// net/http, which reads from it, does not get to see such requests. It does so only
// where a request begins for certain: net/http waits for one, and all that it has read
// before were whole heads without bodies. A client that does anything else, as sending
// several requests at once, has net/http for the rest of it.
type hotConn struct {
	net.Conn
	p *Proxy
	c *conn

	// waits is set while net/http waits for a request or reads its head. While one is
	// answered, another goroutine of net/http's may read.
	waits, strayed atomic.Bool
	head           []byte    // what net/http was given of a request
	early          []byte    // the same, while it was answering the one before
	rest           []byte    // read, and not given to net/http yet
	idle           bool      // it has a deadline for that
	renewed        time.Time // when that was set

	sent *hotAnswer // what is being sent and may be kept; nil is nothing
	of   *exchange  // that it is the answer of
}

// hotHead is how long a head may be.
const hotHead = 4 << 10

// newHotConn is for one end of c. Nothing may have been read from it.
func (p *Proxy) newHotConn(nc net.Conn, c *conn) *hotConn {
	h := &hotConn{Conn: nc, p: p, c: c}
	h.waits.Store(true)
	c.hot = h
	return h
}

// Read gives the next bytes that are not answered here.
func (h *hotConn) Read(p []byte) (int, error) {
	if len(h.rest) > 0 {
		n := copy(p, h.rest)
		h.rest = h.rest[n:]
		return n, nil
	}
	begins := !h.strayed.Load() && h.waits.Load() && len(h.head) == 0
	if begins && len(p) < hotHead { // net/http looks at a few bytes before all others
		buf := make([]byte, hotHead)
		n, err := h.readHead(buf)
		h.rest = buf[:n]
		n = copy(p, h.rest)
		h.rest = h.rest[n:]
		return n, err
	}
	if begins {
		return h.readHead(p)
	}
	n, err := h.Conn.Read(p)
	switch {
	case n == 0 || h.strayed.Load():
	case h.waits.Load():
		h.head = h.note(h.head, p[:n])
	default:
		h.early = h.note(h.early, p[:n])
	}
	return n, err
}

// readHead answers requests until there is one that it can't.
func (h *hotConn) readHead(p []byte) (int, error) {
	for {
		n, err := h.Conn.Read(p)
		if err == nil && h.answer(p[:n]) {
			continue
		}
		h.head = h.note(h.head, p[:n])
		return n, err
	}
}

// note remembers what net/http is given.
func (h *hotConn) note(so, more []byte) []byte {
	if len(so)+len(more) > hotHead {
		h.strayed.Store(true)
		return nil
	}
	return append(so, more...)
}

// isHead tells whether bytes are one head of a request without a body.
func isHead(b []byte) bool {
	if !bytes.HasPrefix(b, []byte("GET ")) && !bytes.HasPrefix(b, []byte("HEAD ")) || !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		return false
	}
	for line := range bytes.Lines(b[:len(b)-2]) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		// Lines may end with LF alone (RFC 9112 section 2.2).
		empty := len(bytes.TrimRight(line, "\r\n")) == 0
		if empty || bytes.EqualFold(name, []byte("Content-Length")) || bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			return false
		}
	}
	return true
}

// answer answers a request if its answer is hot.
func (h *hotConn) answer(head []byte) bool {
	a := h.p.hot.find(h.c.dest, head)
	if a == nil {
		return false
	}
	start := h.p.now()
	if !start.Before(a.until) || !a.sighting.Holds() {
		h.p.hot.drop(a)
		return false
	}
	h.p.handlers.Add(1)
	defer h.p.handlers.Done()
	if !h.c.asked.Swap(true) {
		h.p.obstacles.trust(h.c.dest.host)
	}
	_, _ = h.Conn.Write(a.answer) // a client that is gone is no news
	now := h.p.now()
	if h.idle && now.Sub(h.renewed) > idleTimeout/10 { // net/http set it when it began to wait
		h.renewed = now
		_ = h.Conn.SetReadDeadline(time.Now().Add(idleTimeout))
	}
	if h.p.Record != nil {
		ex := a.ex
		ex.Start, ex.Took = start, now.Sub(start)
		ex.Saved = max(0, a.fetched-ex.Took)
		h.p.Record(ex)
	}
	return true
}

// Write notes what is sent, while it may be kept.
func (h *hotConn) Write(p []byte) (int, error) {
	if h.sent != nil {
		h.sent.answer = append(h.sent.answer, p...)
	}
	return h.Conn.Write(p)
}

// CloseWrite ends the sending side where the connection has one: net/http looks for it.
func (h *hotConn) CloseWrite() error {
	if c, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return h.Close()
}

// learns tells whether net/http has read a head that may be answered here next time.
func (h *hotConn) learns() bool { return !h.strayed.Load() && isHead(h.head) }

// turns is told of what net/http does next with the connection.
func (h *hotConn) turns(state http.ConnState) {
	if state == http.StateNew {
		return // as newHotConn made it
	}
	h.waits.Store(state == http.StateIdle)
	if state != http.StateIdle {
		return
	}
	if !isHead(h.head) {
		h.strayed.Store(true)
	}
	if h.sent != nil && !h.strayed.Load() && h.of.ex.Outcome == Hit && h.of.ex.Status == http.StatusOK {
		h.sent.ex, h.sent.fetched = h.of.ex, h.of.fetched
		h.p.hot.keep(h.sent)
	}
	h.sent, h.of = nil, nil
	h.head, h.early = append(h.head[:0], h.early...), h.early[:0]
	h.idle, h.renewed = true, h.p.now()
}
