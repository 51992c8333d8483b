package proxy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cachex/proxy/policy"
)

// cut ends the connection without an end of the answer.
func cut(w http.ResponseWriter) {
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// reset ends the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	h, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler) // HTTP/2: the stream is reset
	}
	c, _, err := h.Hijack()
	if err != nil {
		panic(err)
	}
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func TestRequestsThatReadAreSentAgain(t *testing.T) {
	for name, fail := range map[string]func(http.ResponseWriter){
		"reset": reset,
		"cut":   func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"502":   func(w http.ResponseWriter) { w.WriteHeader(502) },
		"503":   func(w http.ResponseWriter) { w.WriteHeader(503) },
		"429":   func(w http.ResponseWriter) { w.Header().Set("Retry-After", "1"); w.WriteHeader(429) },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if asked.Add(1) < 3 {
					fail(w)
					return
				}
				io.WriteString(w, "bytes")
			}), rigOptions{})
			r.want(r.get(host+"/a-1.0.0.tgz"), 200, "bytes", Miss)
			asked.Store(0)
			r.want(r.get(host+"/secret", "Cache-Control", "no-store"), 200, "bytes", Pass)
		})
	}
}

func TestWhatIsNotSentAgain(t *testing.T) {
	var asked atomic.Int32
	status := 500
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		if req.Method == "POST" {
			io.Copy(io.Discard, req.Body)
			reset(w)
			return
		}
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(status)
	}), rigOptions{})
	if a := r.do("POST", host+"/write", "text"); a.err != nil || a.StatusCode != 502 {
		t.Errorf("POST: %+v", a)
	}
	if n := asked.Swap(0); n != 1 {
		t.Errorf("a request that writes was sent %d times", n)
	}
	// 500 is what the server means; a client that is told to wait an hour knows
	// better what to do.
	for _, status = range []int{500, 429, 503} {
		if a := r.get(host + "/a-1.0.0.tgz"); a.StatusCode != status || a.Header.Get("Retry-After") != "3600" {
			t.Errorf("%d: %+v", status, a)
		}
		if n := asked.Swap(0); n != 1 {
			t.Errorf("%d was asked for %d times", status, n)
		}
	}
	byRFC := r.again(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(503)
	}), rigOptions{mode: policy.RFC9111})
	if a := byRFC.get(host + "/x"); a.StatusCode != 503 || asked.Load() != 1 {
		t.Errorf("by RFC 9111 a 503 is an answer: %d, %d times", a.StatusCode, asked.Load())
	}
}

// document is what a test origin serves, in every way that servers do.
type document struct {
	body                     []byte
	etag                     string
	ranges, chunked, changes bool
	breaks                   int // how many answers break, each further on
	asked                    atomic.Int32
	ranged                   atomic.Int32 // answers with a part
	stall                    time.Duration
}

func newDocument(size int) *document {
	d := &document{body: make([]byte, size)}
	src := rand.NewChaCha8([32]byte{7})
	src.Read(d.body)
	return d
}

func (d *document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(d.asked.Add(1))
	body := d.body
	if d.changes && n > 1 {
		body = bytes.ToUpper(append([]byte("other"), body[5:]...))
	}
	if d.etag != "" {
		w.Header().Set("ETag", d.etag)
	}
	start := 0
	status := 200
	if from, to, ok := singleRange(r.Header); ok && d.ranges && (r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == d.etag) {
		d.ranged.Add(1)
		if from < 0 {
			from, to = int64(len(body))-to, int64(len(body))-1
		}
		if to < 0 || to >= int64(len(body)) {
			to = int64(len(body)) - 1
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(body)))
		body, start, status = body[from:to+1], int(from), http.StatusPartialContent
	}
	if !d.chunked {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if n > d.breaks {
		w.Write(body)
		return
	}
	w.Write(body[:max(0, min(len(body), len(d.body)*n/(d.breaks+1)-start))])
	w.(http.Flusher).Flush()
	if d.stall > 0 {
		select {
		case <-r.Context().Done():
		case <-time.After(d.stall):
		}
	}
	cut(w)
}

// TestBrokenBodiesAreResumed: the client notices nothing, and the file is
// whole.
func TestBrokenBodiesAreResumed(t *testing.T) {
	for name, d := range map[string]func(*document){
		"by range":        func(d *document) { d.etag, d.ranges = `"1"`, true },
		"without ranges":  func(d *document) { d.etag = `"1"` },
		"no validator":    func(d *document) {},
		"weak validator":  func(d *document) { d.etag, d.ranges = `W/"1"`, true },
		"chunked":         func(d *document) { d.chunked = true },
		"chunked, ranges": func(d *document) { d.chunked, d.etag, d.ranges = true, `"1"`, true },
		"stalls":          func(d *document) { d.etag, d.ranges, d.stall = `"1"`, true, 10*time.Second },
	} {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s h2=%v", name, h2), func(t *testing.T) {
				doc := newDocument(300_000)
				doc.breaks = 3
				d(doc)
				r := newRig(t, doc, rigOptions{noH2: !h2, stall: 200 * time.Millisecond})
				a := r.get(host + "/a-1.0.0.tgz")
				if a.err != nil || a.body != string(doc.body) {
					t.Fatalf("got %d bytes, %v", len(a.body), a.err)
				}
				r.wantOutcome(Miss)
				b, err := os.ReadFile(filepath.Join(r.dir, "registry.example/a-1.0.0.tgz"))
				if err != nil || !bytes.Equal(b, doc.body) {
					t.Errorf("the file has %d bytes, %v", len(b), err)
				}
				if want := strings.Contains(name, "by range"); want && doc.ranged.Load() != 3 {
					t.Errorf("%d parts were asked for", doc.ranged.Load())
				}
			})
		}
	}
}

// TestChangedBodyIsNotMixed: what comes after the break is of another document.
func TestChangedBodyIsNotMixed(t *testing.T) {
	for _, etag := range []string{"", `"1"`} {
		doc := newDocument(300_000)
		doc.breaks, doc.changes, doc.etag = 1, true, etag
		r := newRig(t, doc, rigOptions{})
		if a := r.get(host + "/a-1.0.0.tgz"); a.err == nil {
			t.Errorf("a mixture was delivered as whole: %d bytes", len(a.body))
		}
		r.wantOutcome(Error)
		if _, err := os.Lstat(filepath.Join(r.dir, "registry.example/a-1.0.0.tgz")); err == nil {
			t.Error("a mixture was kept")
		}
	}
}

func TestDigestInURL(t *testing.T) {
	body := []byte("the bytes of a package list")
	sum := sha256.Sum256(body)
	lies := atomic.Bool{}
	lies.Store(true)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if lies.Load() {
			w.Write(bytes.ToUpper(body))
			return
		}
		w.Write(body)
	}), rigOptions{})
	u := host + "/dists/x/main/by-hash/SHA256/" + hex.EncodeToString(sum[:])
	a := r.get(u)
	if a.err != nil || a.body != strings.ToUpper(string(body)) { // as without cachex
		t.Errorf("got %q, %v", a.body, a.err)
	}
	if x := r.last(); x.Outcome != Pass || !strings.Contains(x.Reason, "digest") {
		t.Errorf("%s (%s)", x.Outcome, x.Reason)
	}
	lies.Store(false)
	r.want(r.get(u), 200, string(body), Miss)
	lies.Store(true)
	r.want(r.get(u), 200, string(body), Hit)
}

// TestNetworkGoesAway: what is kept is served without much waiting, and a
// document that is not is an error that says so.
func TestNetworkGoesAway(t *testing.T) {
	r := newRig(t, text("index"), rigOptions{})
	r.want(r.get(host+"/index"), 200, "index", Miss)
	r.origin.CloseClientConnections()
	r.origin.Listener.Close()
	r.want(r.get(host+"/index"), 200, "index", Stale)
	a := r.get(host + "/other")
	if a.err != nil || a.StatusCode != 502 || !strings.Contains(a.body, "connection refused") {
		t.Errorf("%+v", a)
	}
}

// A build with many documents of a host that is down waits for the first one, and
// asks once for each of the others.
func TestHostThatIsDown(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}), rigOptions{})
	for i := range 4 {
		path := fmt.Sprintf("/a-%d.tgz", i)
		a := r.get(host + path)
		if a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
		r.last()
		r.mu.Lock()
		got, want := r.hits["GET "+path], 1
		r.mu.Unlock()
		if i == 0 {
			want = maxTries
		}
		if got != want {
			t.Errorf("%s was asked for %d times, want %d", path, got, want)
		}
	}
}

// A status that is none is an error of upstream's, which the client is told.
func TestStatusBelow100(t *testing.T) {
	for _, status := range []string{"000", "-00", "099"} {
		r, o := strictRig(t)
		o.answer = sends("HTTP/1.1 " + status + " x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
		for _, method := range []string{"GET", "HEAD", "POST"} {
			a := r.do(method, "http://registry.example/a-1.0.0.tgz", "")
			if a.err != nil || a.StatusCode != http.StatusBadGateway {
				t.Errorf("%s, %s: %v, %v", status, method, a.Response, a.err)
			}
		}
	}
}

// A client that ends its sending side looks as if it were gone. It gets a whole
// answer or none, and no empty or short one that looks whole.
func TestHalfClosedClient(t *testing.T) {
	for what, begins := range map[string]bool{"before the header": false, "in mid-body": true} {
		sent, more := make(chan struct{}, 10), make(chan struct{})
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if begins {
				io.WriteString(w, "beginning")
				w.(http.Flusher).Flush()
			}
			sent <- struct{}{}
			<-more
			io.WriteString(w, "end")
		}), rigOptions{})
		c, err := r.dial(t.Context(), "tcp", "registry.example:80")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET /a-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\n\r\n")
		<-sent
		c.(*net.TCPConn).CloseWrite()
		time.AfterFunc(100*time.Millisecond, func() { close(more) })
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil {
			var b []byte
			b, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil && !strings.HasSuffix(string(b), "end") {
				t.Errorf("%s: %s, %q looks whole", what, resp.Status, b)
			}
		}
		c.Close()
	}
}
