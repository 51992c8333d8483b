package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"

	"cachex/proxy/store"
)

// roundTripper is an upstream that is a function.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls it.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// fuzzed is a proxy whose handler is called directly, in a directory beside a
// file that nothing may touch.
type fuzzed struct {
	*Proxy
	out  string
	salt []byte
}

func newFuzzed(f *testing.F, up roundTripper) *fuzzed {
	out := f.TempDir()
	if err := os.WriteFile(filepath.Join(out, "secret"), []byte("secret"), 0o644); err != nil {
		f.Fatal(err)
	}
	s, err := store.Open(filepath.Join(out, "cache"), false)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	salt, err := os.ReadFile(filepath.Join(out, "cache/.cachex/salt"))
	if err != nil {
		f.Fatal(err)
	}
	p := &Proxy{Store: s, Upstream: up, Log: slog.New(slog.DiscardHandler), serving: context.Background()}
	p.server = p.newServer()
	return &fuzzed{p, out, salt}
}

// ask answers one request, and waits for all that it has begun. aborted is what
// a client sees as a broken transfer.
func (z *fuzzed) ask(t *testing.T, r *http.Request, scheme string) (w *httptest.ResponseRecorder, aborted bool) {
	t.Helper()
	z.down.note(r.Host, time.Now(), true) // so that nobody waits to ask again
	c := &conn{dest: destination{"registry.example", 80}, scheme: scheme}
	if scheme == "https" {
		c.dest.port = 443
	}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), connKey{}, c))
	defer cancel() // as http.Server does
	w = httptest.NewRecorder()
	func() {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				aborted = true
			default:
				panic(v)
			}
		}()
		z.ServeHTTP(w, r.WithContext(ctx))
	}()
	cancel()
	z.flights.running.Wait()
	if !aborted {
		wellFormed(t, r, w)
	}
	return w, aborted
}

// wellFormed is what every answer is.
func wellFormed(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code < 100 || w.Code > 999 {
		t.Errorf("status %d", w.Code)
	}
	for name, values := range w.Result().Header {
		for _, v := range values {
			// net/http drops fields whose names are none.
			if httpguts.ValidHeaderFieldName(name) && !httpguts.ValidHeaderFieldValue(v) {
				t.Errorf("field %q: %q", name, v)
			}
		}
	}
	length := w.Result().Header.Get("Content-Length")
	if length != "" && r.Method != http.MethodHead && w.Code != http.StatusNotModified && length != strconv.Itoa(w.Body.Len()) {
		t.Errorf("%s: %d with Content-Length %s has %d bytes", r.Method, w.Code, length, w.Body.Len())
	}
}

// untouched is an error when something was written outside the directory, or
// over the store's own.
func (z *fuzzed) untouched(t *testing.T) {
	t.Helper()
	names, err := os.ReadDir(z.out)
	if err != nil || len(names) != 2 {
		t.Errorf("beside the cache there is now %v, %v", names, err)
	}
	if b, err := os.ReadFile(filepath.Join(z.out, "secret")); err != nil || string(b) != "secret" {
		t.Errorf("the secret is now %q, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(z.out, "cache/.cachex/salt")); err != nil || !bytes.Equal(b, z.salt) {
		t.Errorf("the salt is now %q, %v", b, err)
	}
}

// FuzzHandler answers any requests. It does not panic, writes nothing outside
// its directory, and its answers are well-formed.
func FuzzHandler(f *testing.F) {
	for _, s := range []string{
		"GET /a-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\n\r\nHEAD /a-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\n\r\n",
		"GET /x?X-Amz-Signature=1&a=%2e%2e HTTP/1.1\r\nHost: REGISTRY.example:80\r\nRange: bytes=1-2,4-\r\nIf-Range: \"1\"\r\nAuthorization: Bearer x\r\n\r\n",
		"GET http://../..%2f..%5c%00/404 HTTP/1.0\r\nCookie: a=b\r\nAccept: text/html;q=0.1, */*\r\nCache-Control: no-cache, only-if-cached\r\n\r\n",
		"POST /repo.git/git-upload-pack HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-git-upload-pack-request\r\nContent-Length: 4\r\n\r\n0000",
		"PUT /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"GET /token?service=s&scope=repository:a:pull HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\n\r\n",
		"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, x\r\nUpgrade: websocket\r\nx: y\r\n\r\n",
		"GET /dists/stable/InRelease HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: Wed, 25 Nov 2026 10:45:04 GMT\r\n\r\n",
	} {
		f.Add([]byte(s), false)
	}
	z := newFuzzed(f, fixedUpstream)
	f.Fuzz(func(t *testing.T, raw []byte, encrypted bool) {
		in := bufio.NewReader(bytes.NewReader(raw))
		for range 4 {
			r, err := http.ReadRequest(in)
			if err != nil {
				break
			}
			r.RemoteAddr = "127.0.0.1:1"
			z.ask(t, r, map[bool]string{true: "https", false: "http"}[encrypted])
			io.Copy(io.Discard, r.Body)
		}
		z.untouched(t)
	})
}

// fixedUpstream answers by the form of the request alone.
func fixedUpstream(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	w := httptest.NewRecorder()
	h := w.Header()
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	switch len(r.URL.Path) % 7 {
	case 0:
		http.Error(w, "no", http.StatusNotFound)
	case 1:
		http.Redirect(w, r, "https://cdn.example/files?X-Amz-Signature=2", http.StatusFound)
	case 2:
		return nil, errors.New("out of order")
	case 3:
		h.Set("Vary", "Accept, Cookie")
		h.Set("Set-Cookie", "a=b")
		fallthrough
	case 4:
		h.Set("Cache-Control", "max-age=60")
		h.Set("Etag", `W/"1"`)
		fallthrough
	default:
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("some content of a document"))
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// FuzzUpstream gives any answer to requests of several kinds. What a second
// client gets from the store is what the first one got whole.
func FuzzUpstream(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"1\"\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=\"1, 2\"\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.0 200 OK\r\nExpires: 0\r\nVary: *\r\n\r\nhello", "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n",
		"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-3/5\r\nContent-Length: 3\r\n\r\nell",
		"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-1/*\r\n\r\nx", "HTTP/1.1 416 No\r\nContent-Range: bytes */5\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: ../../x?Signature=1\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nSet-Cookie: a=b\r\nAge: -1\r\nDate: x\r\n\r\nshort",
		"HTTP/1.1 503 x\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No\r\nRepr-Digest: sha-256=:x:\r\n\r\n", "HTTP/1.1 -00 x\r\n\r\nx",
		"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"https://a/token\",service=\"b\"\r\nContent-Length: 2\r\n\r\n{}",
	} {
		f.Add([]byte(s), uint8(0))
	}
	var answers sync.Map // by path: what is sent the first time
	z := newFuzzed(f, func(r *http.Request) (*http.Response, error) {
		raw, ok := answers.LoadAndDelete(r.URL.Path)
		if !ok {
			raw = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		}
		return http.ReadResponse(bufio.NewReader(bytes.NewReader(raw.([]byte))), r)
	})
	var n atomic.Int64
	f.Fuzz(func(t *testing.T, raw []byte, kind uint8) {
		path := fmt.Sprintf("/%d/%s", n.Add(1), []string{"a-1.0.0.tgz", "index", "v2/x/manifests/latest", "Release"}[kind&3])
		answers.Store(path, raw)
		r := func(header ...string) *http.Request {
			u := &url.URL{Path: path}
			req := &http.Request{Method: http.MethodGet, URL: u, Host: "registry.example", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody}
			for i := 0; i < len(header); i += 2 {
				req.Header.Set(header[i], header[i+1])
			}
			return req
		}
		first := r()
		switch {
		case kind&4 != 0:
			first = r("Range", "bytes=1-3")
		case kind&8 != 0:
			first.Method = http.MethodHead
		}
		a, aborted := z.ask(t, first, "https")
		b, _ := z.ask(t, r(), "https")
		hit := strings.Contains(b.Result().Header.Get("Cache-Status"), "cachex; hit")
		switch {
		case hit && aborted && first.Method == http.MethodGet && first.Header.Get("Range") == "":
			t.Errorf("a broken answer was kept: %d %q", b.Code, b.Body)
		case hit && a.Code == http.StatusOK && first.Method == http.MethodGet && !bytes.Equal(a.Body.Bytes(), b.Body.Bytes()):
			t.Errorf("the first got %q, the second %q", a.Body, b.Body)
		}
		z.untouched(t)
	})
}
