package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"cachex/proxy/store"
)

// op is one thing that a client does.
type op struct {
	kind  string
	d     *paper
	plain bool // http
	h2    bool
	house int // which proxy
	x, y  int // for the kind to choose by
}

// kinds are the clients of the model; the more often one stands here the more
// often it comes.
var kinds = []string{
	"get", "get", "get", "get", "head", "range", "range", "range", "condition", "condition", "resume", "resume", "resume blindly",
	"leave", "leave", "crowd", "HTTP/1.0", "gzip", "no-cache", "remove", "remove", "remove",
}

func newOp(rng *rand.Rand, documents []*paper, houses int) op {
	return op{
		kind: kinds[rng.IntN(len(kinds))], d: documents[rng.IntN(len(documents))],
		plain: rng.IntN(4) == 0, h2: rng.IntN(2) == 0, house: rng.IntN(houses), x: rng.Int(), y: rng.Int(),
	}
}

func (o op) url() string {
	if o.plain {
		return "http://" + o.d.host + o.d.path
	}
	return "https://" + o.d.host + o.d.path
}

func (o op) String() string {
	return fmt.Sprintf("%s %s (h2 %t, proxy %d, %d %d) of %s", o.kind, o.url(), o.h2, o.house, o.x, o.y, o.d)
}

// got is what a client has of an answer.
type got struct {
	status int
	header http.Header
	length int64 // announced
	body   []byte
	err    error // of the transfer, or why there was no answer (status 0)
}

// run does what the client of an op does, and checks it.
func (m *model) run(o op) {
	switch o.kind {
	case "head":
		m.check(o, m.send(o, http.MethodHead, nil, -1))
	case "range":
		m.check(o, m.send(o, http.MethodGet, http.Header{"Range": {o.rangeSpec()}}, -1))
	case "condition":
		m.condition(o)
	case "resume", "resume blindly":
		m.resume(o)
	case "leave":
		g := m.send(o, http.MethodGet, nil, o.x%(o.d.size+1))
		g.err = cmpErr(g.err, errLeft)
		m.check(o, g)
	case "crowd":
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				one := o
				one.h2, one.house = i%2 == 0, (o.house+i/2)%len(m.houses)
				m.check(one, m.send(one, http.MethodGet, nil, -1))
			})
		}
		wg.Wait()
	case "HTTP/1.0":
		o.plain = true
		m.check(o, m.sendOld(o))
	case "gzip":
		g := m.send(o, http.MethodGet, http.Header{"Accept-Encoding": {"gzip"}}, -1)
		m.check(o, ungzip(g))
	case "no-cache":
		m.check(o, m.send(o, http.MethodGet, http.Header{"Cache-Control": {"no-cache"}}, -1))
	case "remove": // a user cleans up
		name := store.Key{Host: o.d.host, Target: o.d.path}.Name("")
		os.Remove(filepath.Join(m.dir, name))
	default:
		m.check(o, m.send(o, http.MethodGet, nil, -1))
	}
}

func (o op) rangeSpec() string {
	n := max(o.d.size, 1)
	a, b := o.x%n, o.y%n
	switch o.x % 5 {
	case 0:
		return fmt.Sprintf("bytes=-%d", 1+b)
	case 1:
		return fmt.Sprintf("bytes=%d-", a)
	case 2:
		return fmt.Sprintf("bytes=%d-%d", a, a+b)
	case 3:
		return fmt.Sprintf("bytes=%d-", n+a)
	}
	return fmt.Sprintf("bytes=%d-%d", min(a, b), max(a, b))
}

// condition asks with a validator that some version had.
func (m *model) condition(o op) {
	d := o.d
	if o.plain {
		d = d.plain
	}
	versions := d.allowed(time.Time{}, true)
	v := versions[o.x%len(versions)]
	h := http.Header{}
	switch {
	case v.etag != "":
		h.Set("If-None-Match", v.etag)
	case v.modified != "":
		h.Set("If-Modified-Since", v.modified)
	}
	g := m.send(o, http.MethodGet, h, -1)
	if g.status == http.StatusNotModified {
		g.body, g.status, g.length = v.body, http.StatusOK, -1 // which the client has
	}
	m.check(o, g)
}

// resume reads a part, goes away, and asks for the rest: with If-Range as wget2
// and browsers do, or without as "curl -C -" does.
func (m *model) resume(o op) {
	first := m.send(o, http.MethodGet, nil, o.x%(o.d.size+1))
	first.err = cmpErr(first.err, errLeft)
	m.check(o, first)
	if first.status != http.StatusOK || len(first.body) == 0 {
		return
	}
	lied := o.d.told(first) || o.d.plain.told(first) // under the truth's entity tag
	h := http.Header{"Range": {fmt.Sprintf("bytes=%d-", len(first.body))}}
	tag := first.header.Get("Etag")
	guarded := o.kind == "resume" && strings.HasPrefix(tag, `"`)
	if guarded {
		h.Set("If-Range", tag)
	}
	rest := m.send(o, http.MethodGet, h, -1)
	m.check(o, rest)
	from, _, _, _ := partOf(rest.header) // a client takes no other part than it asked for
	if rest.status == http.StatusPartialContent && guarded && !lied && from == len(first.body) {
		m.check(o, got{http.StatusOK, rest.header, -1, append(first.body, rest.body...), rest.err})
	}
}

// errLeft is the end of an answer whose reader has enough.
var errLeft = fmt.Errorf("the client left")

// cmpErr is the first error that there is.
func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// send makes a request, and reads at most a number of bytes (-1 is all).
func (m *model) send(o op, method string, h http.Header, most int) got {
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, o.url(), nil)
	if err != nil {
		return got{err: err}
	}
	for name, v := range h {
		req.Header[name] = v
	}
	resp, err := m.client(o).Do(req)
	if err != nil {
		m.notLate(ctx, o, err)
		return got{err: err}
	}
	defer resp.Body.Close()
	var body []byte
	if most < 0 {
		body, err = io.ReadAll(resp.Body)
	} else {
		body, err = io.ReadAll(io.LimitReader(resp.Body, int64(most)))
	}
	m.notLate(ctx, o, err)
	return got{resp.StatusCode, resp.Header, resp.ContentLength, body, err}
}

// sendOld is a client that knows neither lengths of pieces nor keep-alive.
func (m *model) sendOld(o op) got {
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	c, err := m.house(o).dial(ctx, "tcp", o.d.host+":80")
	if err != nil {
		return got{err: err}
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	fmt.Fprintf(c, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", o.d.path, o.d.host)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		m.notLate(ctx, o, err)
		return got{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	m.notLate(ctx, o, err)
	return got{resp.StatusCode, resp.Header, resp.ContentLength, body, err}
}

// ungzip is what a client that asked for gzip makes of an answer.
func ungzip(g got) got {
	if g.header.Get("Content-Encoding") != "gzip" || g.status != http.StatusOK {
		return g
	}
	z, err := gzip.NewReader(bytes.NewReader(g.body))
	if err != nil {
		return got{status: g.status, header: g.header, err: err}
	}
	body, err := io.ReadAll(z)
	return got{g.status, g.header, -1, body, cmpErr(g.err, err)}
}

// partOf reads the field of a 206.
func partOf(h http.Header) (first, last, total int, ok bool) {
	spec, isBytes := strings.CutPrefix(h.Get("Content-Range"), "bytes ")
	span, all, hasAll := strings.Cut(spec, "/")
	a, b, isSpan := strings.Cut(span, "-")
	first, err1 := strconv.Atoi(a)
	last, err2 := strconv.Atoi(b)
	total, err3 := strconv.Atoi(all)
	return first, last, total, isBytes && hasAll && isSpan && err1 == nil && err2 == nil && err3 == nil && first <= last && last < total
}
