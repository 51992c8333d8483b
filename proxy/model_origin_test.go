package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// badOrigin is the origin of the model: it holds documents, and in a storm it
// fails in all ways that origins are known for.
type badOrigin struct {
	seed      uint64
	documents map[string]*paper // by host and path
	servers   map[string]*httptest.Server
	storm     atomic.Int64 // faults in a hundred requests
	busy      atomic.Int64 // requests under way
	refuse    atomic.Int64 // how many connections are refused from now on
	alert     atomic.Int64 // how many TLS handshakes fail from now on

	mu     sync.Mutex
	faults map[fault]int
}

// The hosts of the model. Each document is also there over plain http.
const (
	hostH1 = "one.example"
	hostH2 = "two.example"
)

type rawConnKey struct{}

func newBadOrigin(t *testing.T, seed uint64, documents int) *badOrigin {
	o := &badOrigin{seed: seed, documents: map[string]*paper{}, servers: map[string]*httptest.Server{}, faults: map[fault]int{}}
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range documents {
		d := newPaper(rng, pick(rng, hostH1, hostH2), i)
		o.documents[d.host+d.path] = d
	}
	for _, name := range []string{hostH1, hostH2, "plain"} {
		s := httptest.NewUnstartedServer(o)
		s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, rawConnKey{}, c)
		}
		s.Config.ErrorLog = nullLog()
		s.EnableHTTP2 = name == hostH2
		if name == "plain" {
			s.Start()
		} else {
			s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				if takeOne(&o.alert) {
					o.count(faultAlert)
					return nil, errors.New("no")
				}
				return nil, nil
			}}
			s.StartTLS()
		}
		o.servers[name] = s
		t.Cleanup(s.Close)
	}
	return o
}

// list gives the documents in an order that depends on nothing.
func (o *badOrigin) list() []*paper {
	var names []string
	for name := range o.documents {
		names = append(names, name)
	}
	slices.Sort(names)
	var list []*paper
	for _, name := range names {
		list = append(list, o.documents[name])
	}
	return list
}

// dial is how the proxies reach the origin.
func (o *badOrigin) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if takeOne(&o.refuse) {
		o.count(faultRefused)
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	host, port, _ := net.SplitHostPort(address)
	if port == "80" {
		host = "plain"
	}
	s, ok := o.servers[host]
	if !ok {
		return nil, fmt.Errorf("the model has no host %s", address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
}

// takeOne counts down to zero, and tells whether there was something left.
func takeOne(n *atomic.Int64) bool {
	for {
		v := n.Load()
		if v <= 0 {
			return false
		}
		if n.CompareAndSwap(v, v-1) {
			return true
		}
	}
}

func (o *badOrigin) count(f fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults[f]++
}

func (o *badOrigin) injected() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, k := range o.faults {
		n += k
	}
	return n
}

// reply is what an origin without faults sends.
type reply struct {
	status int
	header http.Header
	body   []byte
	whole  bool // all of the document, as it is
}

// ServeHTTP answers a request, or fails to.
func (o *badOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.busy.Add(1)
	defer o.busy.Add(-1)
	d := o.documents[strings.TrimSuffix(r.Host, ":443")+r.URL.Path]
	if d == nil {
		http.NotFound(w, r)
		return
	}
	if r.TLS == nil {
		d = d.plain
	}
	rng := d.draw(o.seed)
	a := d.reply(d.current(), r)
	f := noFault
	if int64(rng.IntN(100)) < o.storm.Load() {
		f = d.choose(rng, r, a)
		o.count(f)
	}
	p := &play{o: o, d: d, w: w, r: r, rng: rng, fault: f, reply: a}
	p.run()
}

func (d *paper) reply(v *version, r *http.Request) reply {
	h := http.Header{}
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	set("Etag", v.etag)
	set("Last-Modified", v.modified)
	set("Cache-Control", d.control)
	h.Set("Content-Type", "application/octet-stream")
	body := v.body
	if d.coded {
		h.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			body = v.coded
			h.Set("Content-Encoding", "gzip")
			if strings.HasPrefix(v.etag, `"`) {
				h.Set("Etag", strings.TrimSuffix(v.etag, `"`)+`-gzip"`)
			}
		}
	}
	if d.repr {
		h.Set("Repr-Digest", reprDigest(body))
	}
	if d.ranges {
		h.Set("Accept-Ranges", "bytes")
	}
	if unchanged(r.Header, h) {
		return reply{status: http.StatusNotModified, header: h}
	}
	a := reply{status: http.StatusOK, header: h, body: body, whole: true}
	if spec := r.Header.Get("Range"); spec != "" && d.ranges && rangeHolds(r.Header, h) {
		a = part(a, spec)
	}
	return a
}

// unchanged is how origins answer conditions (RFC 9110 section 13.2.2).
func unchanged(req, h http.Header) bool {
	if inm := req.Get("If-None-Match"); inm != "" {
		weak := func(s string) string { return strings.TrimPrefix(strings.TrimSpace(s), "W/") }
		for tag := range strings.SplitSeq(inm, ",") {
			if h.Get("Etag") != "" && weak(tag) == weak(h.Get("Etag")) {
				return true
			}
		}
		return false
	}
	return h.Get("Last-Modified") != "" && req.Get("If-Modified-Since") == h.Get("Last-Modified")
}

// rangeHolds is If-Range as most origins do it: by comparing texts.
func rangeHolds(req, h http.Header) bool {
	v := req.Get("If-Range")
	return v == "" || v == h.Get("Etag") && !strings.HasPrefix(v, "W/") || v == h.Get("Last-Modified")
}

func part(a reply, spec string) reply {
	var first, last int
	n := len(a.body)
	switch got, _ := fmt.Sscanf(spec, "bytes=%d-%d", &first, &last); {
	case strings.Contains(spec, ","):
		return a
	case got == 2:
		last = min(last, n-1)
	case got == 1 && first < 0: // a suffix
		first, last = max(0, n+first), n-1
	case got == 1:
		last = n - 1
	default:
		return a
	}
	if first >= n || last < first {
		h := a.header.Clone()
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", n))
		return reply{status: http.StatusRequestedRangeNotSatisfiable, header: h}
	}
	h := a.header.Clone()
	h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, n))
	return reply{status: http.StatusPartialContent, header: h, body: a.body[first : last+1]}
}
