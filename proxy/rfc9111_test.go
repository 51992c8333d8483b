package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"cachex/proxy/policy"
)

// counted answers with how often it was asked.
func counted(header ...string) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		fmt.Fprint(w, n.Add(1))
	}
}

func TestHeadOfWhatIsKept(t *testing.T) {
	etag := atomic.Value{}
	etag.Store(`"1"`)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("ETag", etag.Load().(string))
		w.Header().Set("Content-Length", "4")
		w.Header().Set("X-Asked", req.Method)
		io.WriteString(w, "text")
	}), rigOptions{})
	const u = host + "/index"
	r.want(r.get(u), 200, "text", Miss)
	// The same document: what is kept is fresh again, and has the new fields.
	a := r.do(http.MethodHead, u, "")
	r.want(a, 200, "", Revalidated)
	if a.ContentLength != 4 || a.Header.Get("X-Asked") != "HEAD" || r.originSaw("HEAD /index") != 1 {
		t.Errorf("HEAD: %v", a.Header)
	}
	// Another one: what is kept may not be used without asking any more.
	etag.Store(`"2"`)
	r.want(r.do(http.MethodHead, u, ""), 200, "", Miss)
	r.want(r.get(u), 200, "text", Miss)
}

// TestHeadAlone is a client that resolves by HEAD and then fetches something
// else.
func TestHeadAlone(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Docker-Content-Digest", "sha256:abc")
		w.Header().Set("Content-Length", "123456789")
	}), rigOptions{})
	const u = host + "/v2/app/manifests/latest"
	a := r.do(http.MethodHead, u, "", "Accept", "a/b")
	r.want(a, 200, "", Miss)
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	a = off.do(http.MethodHead, u, "", "Accept", "a/b")
	off.want(a, 200, "", Hit)
	if a.ContentLength != 123456789 || a.Header.Get("Docker-Content-Digest") != "sha256:abc" {
		t.Errorf("offline HEAD: %v", a.Header)
	}
	if a = off.get(u, "Accept", "a/b"); a.StatusCode != 403 {
		t.Errorf("GET of what only HEAD was asked for: %d", a.StatusCode)
	}
}

func TestUnsafeRequestsInvalidate(t *testing.T) {
	for _, mode := range []policy.Mode{policy.Artifacts, policy.RFC9111} {
		var writes atomic.Int32
		writes.Store(201)
		c := counted("Cache-Control", "max-age=3600")
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodGet {
				c(w, req)
				return
			}
			w.Header().Set("Location", "/other")
			w.WriteHeader(int(writes.Load()))
		}), rigOptions{mode: mode})
		r.want(r.get(host+"/index"), 200, "1", Miss)
		r.want(r.get(host+"/other"), 200, "2", Miss)
		r.want(r.get(host+"/index"), 200, "1", Hit)
		writes.Store(500)
		r.do(http.MethodPut, host+"/index", "x")
		r.last()
		r.want(r.get(host+"/index"), 200, "1", Hit)
		writes.Store(201)
		r.do(http.MethodPut, host+"/index", "x")
		r.last()
		r.want(r.get(host+"/index"), 200, "3", Miss)
		r.want(r.get(host+"/other"), 200, "4", Miss)
		r.stop()
	}
}

func TestStaleWhileRevalidate(t *testing.T) {
	c := counted("Cache-Control", "max-age=0, stale-while-revalidate=600")
	r := newRig(t, c, rigOptions{mode: policy.RFC9111})
	r.want(r.get(host+"/x"), 200, "1", Miss)
	r.want(r.get(host+"/x"), 200, "1", Hit)
	for i := 0; r.originSaw("GET /x") < 2; i++ {
		if i == 1000 {
			t.Fatal("nobody has asked upstream")
		}
		time.Sleep(time.Millisecond)
	}
	for i := 0; ; i++ {
		a := r.get(host + "/x")
		if a.body != "1" {
			break
		}
		if i == 1000 {
			t.Fatal("the newer answer is not used")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestStaleIsForbidden(t *testing.T) {
	for control, want := range map[string]int{"max-age=0": 200, "max-age=0, must-revalidate": 502, "s-maxage=0": 502} {
		r := newRig(t, text("x", "Cache-Control", control), rigOptions{mode: policy.RFC9111})
		r.want(r.get(host+"/x"), 200, "x", Miss)
		r.origin.CloseClientConnections()
		r.origin.Listener.Close()
		if a := r.get(host + "/x"); a.StatusCode != want {
			t.Errorf("%s: %d, want %d", control, a.StatusCode, want)
		}
		r.stop()
	}
}

func TestInterimAnswers(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("Cache-Control", "max-age=60")
		io.WriteString(w, "final")
	}), rigOptions{noH2: true})
	hints := func() (links []string, body string) {
		req, _ := http.NewRequest(http.MethodGet, host+"/x", nil)
		trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
			links = append(links, h.Get("Link"))
			return nil
		}}
		resp, err := r.client(false).Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		if resp.Header.Get("Link") != "" {
			t.Error("the final answer has a field of the interim one")
		}
		return links, string(b)
	}
	if links, body := hints(); len(links) != 1 || body != "final" {
		t.Errorf("first: %q, %q", links, body)
	}
	if links, body := hints(); len(links) != 0 || body != "final" {
		t.Errorf("kept: %q, %q", links, body)
	}
}

func TestCookiesAreNotShared(t *testing.T) {
	r := newRig(t, text("x", "Set-Cookie", "session=1", "Cache-Control", "max-age=60"), rigOptions{})
	if a := r.get(host + "/x"); a.Header.Get("Set-Cookie") != "session=1" {
		t.Error("who asked does not get the cookie")
	}
	r.last()
	a := r.get(host + "/x")
	r.want(a, 200, "x", Hit)
	if a.Header.Get("Set-Cookie") != "" {
		t.Error("a cookie is shared")
	}
	r.want(r.get(host+"/x", "Cookie", "session=1"), 200, "x", Miss)
}

func TestPassedAnswersAreDecoded(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			io.WriteString(z, "text")
			return
		}
		io.WriteString(w, "text")
	}), rigOptions{})
	a := r.get(host + "/index.json")
	r.want(a, 200, "text", Pass)
	if a.Header.Get("Content-Encoding") != "" {
		t.Error("a coding that the client did not ask for")
	}
}

// TestLongErrors: an error's text is whole, however long.
func TestLongErrors(t *testing.T) {
	for _, size := range []int{maxText, maxText + 1, 3 * maxText} {
		long := strings.Repeat("x", size)
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(404)
			io.WriteString(w, long)
		}), rigOptions{})
		for range 2 {
			if a := r.get(host + "/none"); a.err != nil || a.body != long {
				t.Errorf("%d of %d bytes, %v", len(a.body), size, a.err)
			}
		}
		r.stop()
	}
}

// TestRefusalsReplaceNothing: an expired token, or a limit that shows as 403,
// does not take a document away from those who are offline.
func TestRefusalsReplaceNothing(t *testing.T) {
	status := atomic.Int32{}
	status.Store(200)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(int(status.Load()))
		io.WriteString(w, "text "+strconv.Itoa(int(status.Load())))
	}), rigOptions{})
	r.want(r.get(host+"/index"), 200, "text 200", Miss)
	status.Store(403)
	r.want(r.get(host+"/index"), 403, "text 403", Pass)
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	off.want(off.get(host+"/index"), 200, "text 200", Hit)
}

// TestRedirectToHTTPS: the redirect has the same place as what it leads to, and
// neither takes the other's.
func TestRedirectToHTTPS(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.TLS == nil {
			http.Redirect(w, req, "https://registry.example"+req.URL.Path, http.StatusMovedPermanently)
			return
		}
		w.Header().Set("ETag", `"1"`)
		if req.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(304)
			return
		}
		io.WriteString(w, "encrypted")
	}), rigOptions{})
	follow := func(r *rig) {
		t.Helper()
		client := r.client(false)
		client.CheckRedirect = nil
		resp, err := client.Get("http://registry.example/index")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, _ := io.ReadAll(resp.Body); string(b) != "encrypted" {
			t.Errorf("got %q", b)
		}
	}
	for range 3 {
		follow(r)
	}
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	follow(off)
	off.want(off.get(host+"/index"), 200, "encrypted", Hit)
}

// TestSetsOfSelectingFields: answers that are selected by different fields
// stand beside one another.
func TestSetsOfSelectingFields(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "X-A")
		if req.Header.Get("X-A") == "2" {
			w.Header().Set("Vary", "X-A, X-B")
		}
		fmt.Fprint(w, req.Header.Get("X-A")+req.Header.Get("X-B"))
	}), rigOptions{mode: policy.RFC9111})
	for _, o := range []Outcome{Miss, Hit} {
		for _, c := range [][2]string{{"1", ""}, {"2", "1"}, {"2", "2"}, {"3", ""}, {"2", "3"}} {
			r.want(r.get(host+"/x", "X-A", c[0], "X-B", c[1]), 200, c[0]+c[1], o)
		}
	}
}

// TestGemIndex is Bundler's way to update an index: the last byte that it has,
// and what follows, unless nothing has changed.
func TestGemIndex(t *testing.T) {
	r := newRig(t, text("0123456789", "ETag", `"new"`, "Accept-Ranges", "bytes"), rigOptions{})
	const u = host + "/versions"
	r.want(r.get(u, "Range", "bytes=4-", "If-None-Match", `"old"`), 206, "456789", Miss)
	r.want(r.get(u, "Range", "bytes=9-", "If-None-Match", `"new"`), 304, "", Miss)
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	off.want(off.get(u), 200, "0123456789", Hit)
	off.want(off.get(u, "Range", "bytes=50-", "If-None-Match", `"newer"`), 200, "0123456789", Hit)
	off.want(off.get(u, "Range", "bytes=50-"), 416, "invalid range: failed to overlap\n", Hit)
}

func TestWronglyLabelledArchive(t *testing.T) {
	bytes := "not really gzip"
	r := newRig(t, text(bytes, "Content-Encoding", "gzip", "Content-Type", "application/gzip"), rigOptions{})
	for _, o := range []Outcome{Miss, Hit} {
		a := r.get(host + "/a-1.0.0.tar.gz")
		r.want(a, 200, bytes, o)
		if a.Header.Get("Content-Encoding") != "gzip" {
			t.Error("the label is gone")
		}
	}
	b, err := os.ReadFile(filepath.Join(r.dir, "registry.example/a-1.0.0.tar.gz"))
	if err != nil || string(b) != bytes {
		t.Errorf("%q, %v", b, err)
	}
}

func TestUnknownTransferCoding(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c, buf, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		buf.WriteString("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: odd\r\n\r\ntext\r\nTransfer-Encoding: kept\r\n")
		buf.Flush()
		c.Close()
	}), rigOptions{})
	r.want(r.get("http://registry.example/x"), 200, "text\r\nTransfer-Encoding: kept\r\n", Pass)
}

func TestVia(t *testing.T) {
	seen := make(chan string, 2)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		seen <- req.Header.Get("Via")
		w.Header().Set("Via", "1.1 origin")
		w.Header().Set("Cache-Status", "origin; hit")
	}), rigOptions{})
	a := r.get(host + "/x")
	if got := a.Header.Values("Via"); len(got) != 2 || got[1] != "1.1 cachex" {
		t.Errorf("Via %q", got)
	}
	if got := a.Header.Values("Cache-Status"); len(got) != 2 || got[0] != "origin; hit" || got[1] != "cachex; fwd=uri-miss; stored" {
		t.Errorf("Cache-Status %q", got)
	}
	if via := <-seen; via != "" {
		t.Errorf("upstream is told %q", via)
	}
}
