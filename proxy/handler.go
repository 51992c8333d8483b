package proxy

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"cachex/proxy/policy"
)

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.handlers.Add(1)
	defer p.handlers.Done()
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		http.Error(w, "cachex: the connection is not known", http.StatusInternalServerError)
		return
	}
	if !p.admit(w, r, c) {
		return
	}
	if r.Method == http.MethodConnect {
		p.serveConnect(w, r)
		return
	}
	if !r.ProtoAtLeast(1, 1) {
		defer c.resetIfAborted()
		w = finalOnly{w}
	}
	u, err := target(r, c)
	if err != nil {
		http.Error(w, "cachex: "+err.Error(), http.StatusBadRequest)
		return
	}
	q := p.newQuery(r, u)
	q.x.header = w.Header()
	defer p.live.remove(&q.x.lively) // whatever becomes of it
	q.exempt = policy.AboutMachine(u, r.Header)
	q.soft = isUpgrade(r) || r.Method != http.MethodGet && r.Method != http.MethodHead
	if p.locked() {
		g := p.gated(w, q)
		defer g.close()
		w = g
	}
	p.answer(w, q)
}

// answer finds out what a request is, and has it answered.
func (p *Proxy) answer(w http.ResponseWriter, q *query) {
	r, u := q.r, q.url
	switch {
	case p.refuseDenied(w, q):
	case q.exempt:
		p.pass(w, q, "about this machine alone")
	case isUpgrade(r):
		p.pass(w, q, "upgrade to "+r.Header.Get("Upgrade"))
	case isTokenRequest(r, u):
		p.serveToken(w, q)
	case q.rule.Pass:
		p.pass(w, q, "not to be kept")
	case p.serveGit(w, q), p.serveLFS(w, q): // what has rules of its own
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		p.serveCached(w, q)
	default:
		p.pass(w, q, r.Method)
	}
}

// resetIfAborted makes a broken answer to a client of HTTP/1.0 visible: without
// length or chunks the end of the connection is that of the body.
func (c *conn) resetIfAborted() {
	cause := recover()
	if cause == nil {
		return
	}
	c.reset()
	panic(cause)
}

// finalOnly takes out the interim answers, which HTTP/1.0 does not have (RFC
// 9110 section 15.2).
type finalOnly struct{ http.ResponseWriter }

// WriteHeader sends the final header.
func (w finalOnly) WriteHeader(status int) {
	if status >= 200 {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap is for http.ResponseController.
func (w finalOnly) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// target is the URL that a request is for: the name is the client's (Host, else
// what its connection says), the port that of the connection.
func target(r *http.Request, c *conn) (*url.URL, error) {
	u := *r.URL
	if r.URL.IsAbs() { // a client that was told of a proxy
		if u.Scheme != "http" && u.Scheme != "https" {
			return nil, errors.New("cannot fetch " + u.Scheme + " URLs")
		}
		return &u, nil
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if host == "" {
		host = c.dest.host
	}
	if strings.ContainsAny(host, "/\\@?# ") {
		return nil, errors.New("malformed Host")
	}
	u.Scheme = c.scheme
	u.Host = host
	if strings.Contains(host, ":") {
		u.Host = "[" + host + "]"
	}
	if c.scheme == "https" && c.dest.port != 443 || c.scheme == "http" && c.dest.port != 80 {
		u.Host = net.JoinHostPort(host, strconv.Itoa(int(c.dest.port)))
	}
	return &u, nil
}

// isUpgrade tells whether a request asks for another protocol on its
// connection (RFC 9110 section 7.8). HTTP/2 without TLS is declined, as all may
// decline it.
func isUpgrade(r *http.Request) bool {
	if r.ProtoMajor != 1 || r.Header.Get("Upgrade") == "" || strings.EqualFold(r.Header.Get("Upgrade"), "h2c") {
		return false
	}
	for _, v := range r.Header.Values("Connection") {
		for token := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
				return true
			}
		}
	}
	return false
}

// serveConnect plays the proxy for a client that was told of one: what follows
// on the connection is treated as if it had gone to the target directly.
func (p *Proxy) serveConnect(w http.ResponseWriter, r *http.Request) {
	host, portText, err := net.SplitHostPort(r.Host)
	port, perr := strconv.ParseUint(portText, 10, 16)
	if err != nil || perr != nil || r.ProtoMajor != 1 {
		http.Error(w, "cachex: CONNECT wants HOST:PORT over HTTP/1.1", http.StatusBadRequest)
		return
	}
	raw, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		p.Log.Warn("hijack", "err", err)
		return
	}
	if _, err := raw.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		raw.Close()
		return
	}
	c := &conn{Conn: raw, dest: destination{strings.ToLower(host), uint16(port)}}
	if buffered.Reader.Buffered() > 0 {
		c.ahead = buffered.Reader
	}
	// The request's context ends with this function; the connection goes on.
	p.conns.Go(func() { p.serveConn(p.serving, c) })
}
