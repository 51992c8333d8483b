package proxy

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const host = "https://registry.example"

func text(s string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		io.WriteString(w, s)
	}
}

func TestArtifactIsFetchedOnce(t *testing.T) {
	r := newRig(t, text("bytes", "Content-Type", "application/gzip"), rigOptions{})
	const u = host + "/a/-/a-1.0.0.tgz"
	r.want(r.get(u), 200, "bytes", Miss)
	a := r.get(u)
	r.want(a, 200, "bytes", Hit)
	if got := a.Header.Get("Content-Type"); got != "application/gzip" {
		t.Errorf("type %q", got)
	}
	if n := r.originSaw("GET /a/-/a-1.0.0.tgz"); n != 1 {
		t.Errorf("the origin saw %d requests", n)
	}
	b, err := os.ReadFile(filepath.Join(r.dir, "registry.example/a/-/a-1.0.0.tgz"))
	if err != nil || string(b) != "bytes" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	off.want(off.get(u), 200, "bytes", Hit)
	a = off.get(host + "/b-1.0.0.tgz")
	if a.StatusCode != 403 || !strings.Contains(a.body, host+"/b-1.0.0.tgz") || a.Header.Get("X-Cachex") == "" {
		t.Errorf("offline miss: %d %q", a.StatusCode, a.body)
	}
	off.wantOutcome(Refused)
}

func TestIndexIsRevalidated(t *testing.T) {
	content := atomic.Value{}
	content.Store("one")
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s := content.Load().(string)
		w.Header().Set("ETag", `"`+s+`"`)
		if req.Header.Get("If-None-Match") == `"`+s+`"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, s)
	}), rigOptions{})
	const u = host + "/simple/a/"
	r.want(r.get(u), 200, "one", Miss)
	r.want(r.get(u), 200, "one", Revalidated)
	content.Store("two")
	r.want(r.get(u), 200, "two", Miss)
	r.want(r.get(u), 200, "two", Revalidated)
	a := r.get(u, "If-None-Match", `"two"`)
	r.want(a, 304, "", Revalidated)

	broken := r.again(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }), rigOptions{})
	broken.want(broken.get(u), 200, "two", Stale)
	off := broken.again(http.NotFoundHandler(), rigOptions{offline: true})
	off.want(off.get(u), 200, "two", Hit)
}

func TestFreshIndexIsNotAskedFor(t *testing.T) {
	r := newRig(t, text("x", "Cache-Control", "max-age=60"), rigOptions{})
	r.want(r.get(host+"/index"), 200, "x", Miss)
	r.want(r.get(host+"/index"), 200, "x", Hit)
	r.want(r.get(host+"/index", "Cache-Control", "max-age=0"), 200, "x", Miss)
}

func TestErrorsAreLinks(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Error(w, "no such module", http.StatusNotFound)
	}), rigOptions{})
	r.want(r.get(host+"/m/@v/list"), 404, "no such module\n", Miss)
	link, err := os.Readlink(filepath.Join(r.dir, "registry.example/m/@v/list"))
	if err != nil || link != "404" {
		t.Errorf("link %q, %v", link, err)
	}
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	off.want(off.get(host+"/m/@v/list"), 404, "no such module\n", Hit)
	// A link made by hand is as good.
	if err := os.Symlink("503", filepath.Join(r.dir, "registry.example/broken")); err != nil {
		t.Fatal(err)
	}
	if a := off.get(host + "/broken"); a.StatusCode != 503 {
		t.Errorf("status %d", a.StatusCode)
	}
}

func TestDocumentAndFolder(t *testing.T) {
	for _, order := range [][]string{{"/pkg", "/pkg/-/pkg-1.0.0.tgz"}, {"/pkg/-/pkg-1.0.0.tgz", "/pkg"}} {
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			io.WriteString(w, "this is "+req.URL.Path)
		}), rigOptions{})
		for _, p := range order {
			r.want(r.get(host+p), 200, "this is "+p, Miss)
		}
		off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
		for _, p := range order {
			off.want(off.get(host+p), 200, "this is "+p, Hit)
		}
		off.stop()
	}
}

func TestConcurrentMisses(t *testing.T) {
	var served atomic.Int32
	release := make(chan struct{})
	big := strings.Repeat("0123456789", 100_000)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		served.Add(1)
		io.WriteString(w, big[:len(big)/2])
		w.(http.Flusher).Flush()
		<-release
		io.WriteString(w, big[len(big)/2:])
	}), rigOptions{})
	var wg sync.WaitGroup
	bodies := make([]string, 8)
	for i := range bodies {
		wg.Go(func() { bodies[i] = r.get(host + "/a-1.0.0.tgz").body })
	}
	for served.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	wg.Wait()
	for i, b := range bodies {
		if b != big {
			t.Errorf("client %d got %d bytes of %d", i, len(b), len(big))
		}
	}
	if n := served.Load(); n != 1 {
		t.Errorf("the origin was asked %d times", n)
	}
	r.stop()
	misses, network := 0, int64(0)
	for _, x := range r.seen {
		network += x.Network
		if x.Outcome == Miss {
			misses++
		}
	}
	if misses != 1 || network != int64(len(big)) {
		t.Errorf("the account has %d misses and %d bytes from the network for one download of %d", misses, network, len(big))
	}
}

func TestTruncatedAnswerIsNotKept(t *testing.T) {
	var whole atomic.Bool
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "01234")
		if !whole.Load() {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "56789")
	}), rigOptions{})
	if a := r.get(host + "/a-1.0.0.tgz"); a.err == nil {
		t.Errorf("a cut answer was delivered whole: %q", a.body)
	}
	r.wantOutcome(Error)
	whole.Store(true)
	r.want(r.get(host+"/a-1.0.0.tgz"), 200, "0123456789", Miss)
}

func TestRanges(t *testing.T) {
	r := newRig(t, text("0123456789", "ETag", `"v"`, "Content-Length", "10"), rigOptions{})
	const u = host + "/a-1.0.0.whl"
	a := r.get(u, "Range", "bytes=2-4")
	r.want(a, 206, "234", Miss)
	if got := a.Header.Get("Content-Range"); got != "bytes 2-4/10" {
		t.Errorf("Content-Range %q", got)
	}
	r.want(r.get(u, "Range", "bytes=-3"), 206, "789", Hit)
	r.want(r.get(u, "Range", "bytes=0-1", "If-Range", `"other"`), 200, "0123456789", Hit)
	r.want(r.get(u, "Range", "bytes=20-"), 416, "invalid range: failed to overlap\n", Hit)
	a = r.do(http.MethodHead, u, "")
	r.want(a, 200, "", Hit)
	if a.ContentLength != 10 {
		t.Errorf("HEAD: length %d", a.ContentLength)
	}
}

func TestCompressedIndex(t *testing.T) {
	plain := strings.Repeat("package\n", 1000)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
			t.Errorf("compression was not asked for: %q", req.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, plain)
		z.Close()
	}), rigOptions{})
	a := r.get(host + "/index.json")
	r.want(a, 200, plain, Miss)
	if ce := a.Header.Get("Content-Encoding"); ce != "" {
		t.Errorf("Content-Encoding %q reached a client that did not ask", ce)
	}
	b, _ := os.ReadFile(filepath.Join(r.dir, "registry.example/index.json"))
	if !bytes.Equal(b, []byte(plain)) {
		t.Errorf("the file holds %d bytes, not the %d decoded ones", len(b), len(plain))
	}
}

func TestVariants(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Vary", "Accept, Accept-Encoding")
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, req.Header.Get("Accept"))
	}), rigOptions{})
	for _, o := range []Outcome{Miss, Hit} {
		for _, accept := range []string{"text/html", "application/json", "application/vnd.npm.install-v1+json; q=1.0, */*"} {
			r.want(r.get(host+"/pkg", "Accept", accept), 200, accept, o)
		}
	}
	if _, err := os.Stat(filepath.Join(r.dir, "registry.example/pkg%~npm.install-v1")); err != nil {
		t.Error(err)
	}
}

func TestCredentialsAreKeptApart(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Set-Cookie", "session=cookiesecret")
		fmt.Fprint(w, "for "+req.Header.Get("Authorization"))
	}), rigOptions{})
	const u = host + "/a-1.0.0.tgz"
	r.want(r.get(u, "Authorization", "Bearer tokensecret"), 200, "for Bearer tokensecret", Miss)
	r.want(r.get(u), 200, "for ", Miss)
	r.want(r.get(u, "Authorization", "Bearer other"), 200, "for Bearer other", Miss)
	r.want(r.get(u, "Authorization", "Bearer tokensecret"), 200, "for Bearer tokensecret", Hit)
	r.want(r.get(u+"?X-Amz-Signature=signsecret&X-Amz-Date=1"), 200, "for ", Hit)
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	off.want(off.get(u, "Authorization", "Bearer tokensecret"), 200, "for Bearer tokensecret", Hit)
	for _, x := range off.seen {
		if strings.Contains(x.URL, "secret") {
			t.Errorf("the record names a secret: %s", x.URL)
		}
	}
	err := filepath.Walk(r.dir, func(path string, fi os.FileInfo, err error) error {
		if err != nil || !fi.Mode().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		// The body is the origin's own; what cachex adds is not to have them.
		for _, secret := range []string{"cookiesecret", "signsecret"} {
			if bytes.Contains(b, []byte(secret)) || strings.Contains(path, secret) {
				t.Errorf("%s holds %s", path, secret)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPlainNeverAnswersEncrypted(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		io.WriteString(w, fmt.Sprint("encrypted: ", req.TLS != nil))
	}), rigOptions{})
	r.want(r.get("http://registry.example/a-1.0.0.tgz"), 200, "encrypted: false", Miss)
	r.want(r.get("http://registry.example/a-1.0.0.tgz"), 200, "encrypted: false", Hit)
	r.want(r.get(host+"/a-1.0.0.tgz"), 200, "encrypted: true", Miss)
	r.want(r.get("http://registry.example/a-1.0.0.tgz"), 200, "encrypted: true", Hit)
}

func TestOwnFile(t *testing.T) {
	r := newRig(t, http.NotFoundHandler(), rigOptions{})
	name := filepath.Join(r.dir, "registry.example/dropped/in.json")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := r.get(host + "/dropped/in.json")
	r.want(a, 200, "{}", Hit)
	if a.Header.Get("Content-Type") != "application/json" || a.Header.Get("ETag") == "" {
		t.Errorf("header %v", a.Header)
	}
}

func TestEditedAndRemovedFiles(t *testing.T) {
	r := newRig(t, text("original"), rigOptions{})
	const u = host + "/a-1.0.0.tgz"
	name := filepath.Join(r.dir, "registry.example/a-1.0.0.tgz")
	r.want(r.get(u), 200, "original", Miss)
	if err := os.WriteFile(name, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.want(r.get(u), 200, "mine", Hit)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	r.want(r.get(u), 200, "original", Miss)
	// A restored archive has new times and the same bytes.
	if err := os.Chtimes(name, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.want(r.get(u), 200, "original", Hit)
	// A file that was cut without its time changing is damage.
	fi, _ := os.Stat(name)
	if err := os.Truncate(name, 3); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, time.Time{}, fi.ModTime()); err != nil {
		t.Fatal(err)
	}
	r.want(r.get(u), 200, "original", Miss)
}

func TestUpstreamFailureIsAnAnswer(t *testing.T) {
	r := newRig(t, http.NotFoundHandler(), rigOptions{})
	a := r.get("https://127.0.0.1:1/a-1.0.0.tgz")
	if a.err != nil || a.StatusCode != 502 || !strings.Contains(a.body, "connection refused") {
		t.Errorf("got %v %q, %v", a.Response, a.body, a.err)
	}
	r.wantOutcome(Error)
}

func TestRedirectsFollowTheirTargets(t *testing.T) {
	var signature atomic.Int32
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, "/files/") {
			io.WriteString(w, "content")
			return
		}
		http.Redirect(w, req, fmt.Sprintf("https://cdn.example/files/tool?X-Amz-Signature=%d", signature.Add(1)), http.StatusFound)
	}), rigOptions{mode: "forever"})
	const u = host + "/releases/download/v1.0.0/tool.zip"
	a := r.get(u)
	if a.StatusCode != 302 || !strings.Contains(a.Header.Get("Location"), "Signature=1") {
		t.Fatalf("first: %d %q", a.StatusCode, a.Header.Get("Location"))
	}
	r.last()
	// Without its target a kept redirect with a dead signature is of no use.
	if a = r.get(u); !strings.Contains(a.Header.Get("Location"), "Signature=2") {
		t.Errorf("second: %q", a.Header.Get("Location"))
	}
	r.last()
	r.want(r.get(a.Header.Get("Location")), 200, "content", Miss)
	a = r.get(u)
	if a.StatusCode != 302 || a.Header.Get("Location") != "https://cdn.example/files/tool" {
		t.Errorf("kept: %d %q", a.StatusCode, a.Header.Get("Location"))
	}
	r.wantOutcome(Hit)
	r.want(r.get(a.Header.Get("Location")), 200, "content", Hit)
}

// The last bytes of nothing are nothing, and no part either.
func TestRangeOfNothing(t *testing.T) {
	r := newRig(t, text(""), rigOptions{})
	for _, o := range []Outcome{Miss, Hit} {
		for _, spec := range []string{"bytes=-5", "bytes=0-", "bytes=0-0"} {
			a := r.get(host+"/a-1.0.0.tgz", "Range", spec)
			if a.StatusCode != 200 || a.Header.Get("Content-Range") != "" || a.body != "" {
				t.Errorf("%s, a %s: %d, %v, %q", spec, o, a.StatusCode, a.Header, a.body)
			}
		}
	}
}

// Whoever is on the way of plain http does not answer encrypted requests, not
// even for a HEAD, nor changes what is kept of them.
func TestHeadOverPlain(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.TLS == nil {
			w.Header().Set("X-Evil", "1")
			w.Header().Set("Cache-Control", "max-age=1000000")
		} else {
			w.Header().Set("Cache-Control", "max-age=0")
		}
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, "same")
	}), rigOptions{})
	plain := "http://registry.example"
	r.do(http.MethodHead, plain+"/noted", "")
	if a := r.do(http.MethodHead, host+"/noted", ""); a.Header.Get("X-Evil") != "" {
		t.Errorf("an encrypted HEAD got %v", a.Header)
	}
	r.get(host + "/kept")
	r.do(http.MethodHead, plain+"/kept", "")
	if a := r.do(http.MethodHead, host+"/kept", ""); a.Header.Get("X-Evil") != "" {
		t.Errorf("an encrypted HEAD got %v", a.Header)
	}
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	for _, path := range []string{"/noted", "/kept"} {
		if a := off.do(http.MethodHead, host+path, ""); a.Header.Get("X-Evil") != "" {
			t.Errorf("an encrypted HEAD of %s got %v offline", path, a.Header)
		}
	}
}

// An answer without length that breaks is broken for a client of HTTP/1.0 too,
// to which its end is the connection's.
func TestBrokenForOldClients(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "beginning")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}), rigOptions{})
	for _, path := range []string{"/a-1.0.0.tgz", "/index"} {
		c, err := r.dial(t.Context(), "tcp", "registry.example:80")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.0\r\nHost: registry.example\r\n\r\n", path)
		if b, err := io.ReadAll(c); err == nil {
			t.Errorf("%s looks whole: %q", path, b)
		}
		c.Close()
	}
}
