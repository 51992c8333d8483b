package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wire is a TLS connection to the proxy, on which a test says each byte itself.
type wire struct {
	*rig
	*tls.Conn
	in *bufio.Reader
}

func (r *rig) wire(protocols ...string) *wire {
	r.t.Helper()
	raw, err := r.dial(r.t.Context(), "tcp", "registry.example:443")
	if err != nil {
		r.t.Fatal(err)
	}
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: "registry.example", NextProtos: protocols})
	r.t.Cleanup(func() { c.Close() })
	return &wire{r, c, bufio.NewReader(c)}
}

// send writes a head in pieces.
func (w *wire) send(pieces ...string) {
	w.t.Helper()
	for _, p := range pieces {
		if _, err := io.WriteString(w.Conn, p); err != nil {
			w.t.Fatal(err)
		}
	}
}

// answer reads the next one.
func (w *wire) answer() string {
	w.t.Helper()
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(b))
}

const hotRequest = "GET /a-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\nUser-Agent: test\r\n\r\n"

// isHot tells whether an answer is kept in memory.
func (r *rig) isHot(head string) bool {
	return r.proxy.hot.find(destination{"registry.example", 443}, []byte(head)) != nil
}

func hotRig(t *testing.T, o rigOptions) *rig {
	return newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/gzip")
		if strings.HasPrefix(req.URL.Path, "/index") {
			w.Header().Set("Cache-Control", "max-age=60")
		}
		fmt.Fprint(w, "body of ", req.URL.Path)
	}), o)
}

// What is hot is answered as it was, is in the account, and follows the files.
func TestHot(t *testing.T) {
	for _, protocols := range [][]string{nil, {"http/1.1"}} {
		r := hotRig(t, rigOptions{})
		w := r.wire(protocols...)
		ask := func(want string) {
			t.Helper()
			w.send(hotRequest)
			if got := w.answer(); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		for i := range 4 { // a miss, a hit that is remembered, two from there
			ask("200 body of /a-1.0.0.tgz")
			w.send("HEAD /a-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\n\r\n")
			resp, err := http.ReadResponse(w.in, &http.Request{Method: http.MethodHead})
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
			r.last()
			if hot := r.isHot(hotRequest); hot != (i >= 1) {
				t.Errorf("%v: hot after %d requests: %v", protocols, i+1, hot)
			}
		}
		w.send(hotRequest)
		w.answer()
		if x := r.last(); x.Method != "GET" || x.Outcome != Hit || x.Bytes != 20 || x.Status != 200 || x.Start.IsZero() || x.Type != "application/gzip" {
			t.Errorf("%+v", x)
		}
		file := filepath.Join(r.dir, "registry.example", "a-1.0.0.tgz")
		if err := os.WriteFile(file, []byte("edited"), 0o644); err != nil {
			t.Fatal(err)
		}
		ask("200 edited")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		ask("200 body of /a-1.0.0.tgz")
		if n := r.hits["GET /a-1.0.0.tgz"]; n != 2 {
			t.Errorf("the origin was asked %d times", n)
		}
	}
}

// What gets old, and what has a secret, is not kept in memory.
func TestNotHot(t *testing.T) {
	r := hotRig(t, rigOptions{})
	for _, head := range []string{
		"GET /index.json HTTP/1.1\r\nHost: registry.example\r\n\r\n",
		"GET /a-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\nAuthorization: Basic YTpi\r\n\r\n",
		"GET /a-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\nRange: bytes=1-2\r\n\r\n",
	} {
		w := r.wire("http/1.1")
		for range 4 {
			w.send(head)
			w.answer()
		}
		if len(r.proxy.hot.all) > 0 {
			t.Errorf("%q is hot", head)
		}
	}
}

// However a client cuts what it sends, and whatever it sends in between, each request
// has its own answer.
func TestHotInPieces(t *testing.T) {
	r := hotRig(t, rigOptions{})
	random := rand.New(rand.NewPCG(1, 2))
	requests := []struct{ text, want string }{
		{hotRequest, "200 body of /a-1.0.0.tgz"},
		{strings.ReplaceAll(hotRequest, "a-1", "b-1"), "200 body of /b-1.0.0.tgz"},
		{strings.ReplaceAll(hotRequest, "\r\n", "\n"), "200 body of /a-1.0.0.tgz"},
		{fmt.Sprintf("POST /x HTTP/1.1\r\nHost: registry.example\r\nContent-Length: %d\r\n\r\n%s", len(hotRequest), hotRequest), "200 body of /x"},
		{"GET /a-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\nContent-Length: 4\r\n\r\n\r\n\r\n", "200 body of /a-1.0.0.tgz"},
	}
	for range 300 {
		w := r.wire("http/1.1")
		var text, want []string
		for range 1 + random.IntN(6) {
			one := requests[min(random.IntN(8), random.IntN(len(requests)))]
			text, want = append(text, one.text), append(want, one.want)
		}
		pipelined := random.IntN(4) == 0
		if pipelined {
			text = []string{strings.Join(text, "")}
		}
		asked := 0
		for _, s := range text {
			for cut := random.IntN(3); cut > 0 && len(s) > 1; cut-- {
				n := 1 + random.IntN(len(s)-1)
				w.send(s[:n])
				s = s[n:]
			}
			w.send(s)
			for asked < len(want) {
				if got := w.answer(); got != want[asked] {
					t.Fatalf("answer %d to %q: %q, want %q", asked, text, got, want[asked])
				}
				if asked++; !pipelined {
					break
				}
			}
		}
		w.Close()
	}
	if !r.isHot(hotRequest) {
		t.Error("nothing was hot")
	}
}
