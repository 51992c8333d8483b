package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// strictOrigin reads what the proxy sends as the strictest of servers would, and
// notes what no proxy should have passed on.
type strictOrigin struct {
	t        *testing.T
	listener net.Listener
	answer   func(c net.Conn, target string) // nil answers with the target
	wg       sync.WaitGroup

	mu      sync.Mutex
	targets []string
	conns   []net.Conn
}

func newStrictOrigin(t *testing.T) *strictOrigin {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &strictOrigin{t: t, listener: l}
	o.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			o.mu.Lock()
			o.conns = append(o.conns, c)
			o.mu.Unlock()
			o.wg.Go(func() { o.serve(c) })
		}
	})
	return o
}

func (o *strictOrigin) close() {
	o.listener.Close()
	o.mu.Lock()
	for _, c := range o.conns {
		c.Close()
	}
	o.mu.Unlock()
	o.wg.Wait()
}

var fieldLine = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\\x00-\\x08\\x0a-\\x1f\\x7f]*\r\n$")

// serve reads requests whose bodies have a length or none.
func (o *strictOrigin) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 1<<20)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		parts := strings.Split(strings.TrimSuffix(line, "\r\n"), " ")
		if len(parts) != 3 || parts[2] != "HTTP/1.1" {
			o.t.Errorf("the origin got the request line %.200q", line)
			return
		}
		framing, host := 0, 0
		for {
			field, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if field == "\r\n" {
				break
			}
			if !fieldLine.MatchString(field) {
				o.t.Errorf("the origin got the field line %.200q", field)
			}
			name, _, _ := strings.Cut(strings.ToLower(field), ":")
			switch name {
			case "content-length", "transfer-encoding":
				framing++
			case "host":
				host++
			}
		}
		if framing > 1 || host != 1 {
			o.t.Errorf("the origin got a request with %d framings and %d hosts", framing, host)
		}
		o.mu.Lock()
		o.targets = append(o.targets, parts[1])
		o.mu.Unlock()
		if o.answer != nil {
			o.answer(c, parts[1])
			return
		}
		if framing > 0 { // its body is nobody's business here
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(parts[1]), parts[1])
			return
		}
		body := parts[1]
		if parts[0] == http.MethodHead {
			body = ""
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(parts[1]), body)
	}
}

func (o *strictOrigin) takeTargets() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.targets
	o.targets = nil
	return t
}

// strictRig is a proxy before a strictOrigin, in a directory that lies in
// another one, of which nothing may be touched.
func strictRig(t *testing.T) (*rig, *strictOrigin) {
	t.Helper()
	o := newStrictOrigin(t)
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, o.listener.Addr().String())
	}, filepath.Join(out, "cache"), "", false)
	t.Cleanup(func() {
		h.stop()
		o.close()
		names, err := os.ReadDir(out)
		if err != nil || len(names) != 2 {
			t.Errorf("beside the cache there is now %v, %v", names, err)
		}
		if b, err := os.ReadFile(filepath.Join(out, "secret")); err != nil || string(b) != "secret" {
			t.Errorf("the secret is now %q, %v", b, err)
		}
	})
	return h, o
}

// raw sends bytes to the proxy as if to port 80, and gives all that comes back
// until the proxy closes, or the last of so many answers has been read.
func (r *rig) raw(t *testing.T, request []byte, answers int) []*http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	c, err := r.dial(ctx, "tcp", "registry.example:80")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	done := make(chan struct{})
	defer close(done)
	go func() {
		c.Write(request) // the proxy need not read all of it
		select {
		case <-done:
		case <-time.After(200 * time.Millisecond): // it waits for more, and nothing comes
			c.(*net.TCPConn).CloseWrite()
		}
	}()
	in := bufio.NewReader(c)
	method, _, _ := strings.Cut(string(request[:min(10, len(request))]), " ")
	var all []*http.Response
	for len(all) < answers {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			break
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		all = append(all, resp)
		if err != nil || resp.Close {
			break
		}
	}
	if ctx.Err() != nil {
		t.Errorf("no end to %.100q\n%s", request, goroutines())
	}
	return all
}

// stillServes is a request of which all is well.
func (r *rig) stillServes(t *testing.T) {
	t.Helper()
	const path = "/alive-1.0.0.tgz"
	if err := fetchOne(r.client(false), "http://registry.example"+path, []byte(path)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestSmuggling sends requests that two servers may take for different ones. The
// origin gets well-formed requests alone, and never more of them than there are
// answers.
func TestSmuggling(t *testing.T) {
	r, o := strictRig(t)
	const post = "POST /form HTTP/1.1\r\nHost: registry.example\r\n"
	const next = "GET /smuggled HTTP/1.1\r\nHost: registry.example\r\n\r\n"
	for what, raw := range map[string]string{
		"length and chunked":         post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next,
		"chunked and length":         post + "Transfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\n" + next,
		"two lengths":                post + "Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + next,
		"list of lengths":            post + "Content-Length: 0, 60\r\n\r\n" + next,
		"signed length":              post + "Content-Length: +0\r\n\r\n" + next,
		"negative length":            post + "Content-Length: -1\r\n\r\n" + next,
		"huge length":                post + "Content-Length: 99999999999999999999\r\n\r\n" + next,
		"hexadecimal length":         post + "Content-Length: 0x3c\r\n\r\n" + next,
		"no length":                  post + "Content-Length: \r\n\r\n" + next,
		"unknown coding":             post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + next,
		"chunked twice":              post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next,
		"chunked, identity":          post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + next,
		"coding with a tab":          post + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + next,
		"coding with a vertical tab": post + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" + next,
		"folded coding":              post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + next,
		"folded field":               "GET /fold HTTP/1.1\r\nHost: registry.example\r\nX-A: 1\r\n X-B: 2\r\n\r\n" + next,
		"first line folded":          "GET /fold HTTP/1.1\r\n X-A: 1\r\nHost: registry.example\r\n\r\n" + next,
		"bare LF":                    "GET /lf HTTP/1.1\nHost: registry.example\n\n" + next,
		"bare CR":                    "GET /cr HTTP/1.1\r\nHost: registry.example\r\nX-A: 1\rX-B: 2\r\n\r\n" + next,
		"NUL":                        "GET /nul HTTP/1.1\r\nHost: registry.example\r\nX-A: 1\x002\r\n\r\n" + next,
		"space before colon":         post + "Content-Length : 60\r\n\r\n" + next,
		"space in name":              post + "Content Length: 60\r\n\r\n" + next,
		"no name":                    post + ": 60\r\n\r\n" + next,
		"no colon":                   post + "Content-Length\r\n\r\n" + next,
		"overflowing chunk":          post + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n0\r\n\r\n" + next,
		"huge chunk":                 post + "Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nx\r\n0\r\n\r\n" + next,
		"negative chunk":             post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n" + next,
		"chunk with 0x":              post + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n" + next,
		"chunk without size":         post + "Transfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n" + next,
		"chunk longer than it says":  post + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" + next,
		"chunk with LF":              post + "Transfer-Encoding: chunked\r\n\r\n1;\n\r\nx\r\n0\r\n\r\n" + next,
		"flood of extensions":        post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 4000)+"\r\na\r\n", 500) + "0\r\n\r\n" + next,
		"flood of one-byte chunks":   post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0000000000000001\r\na\r\n", 50_000) + "0\r\n\r\n" + next,
		"flood of trailers":          post + "Trailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 200_000) + "\r\n" + next,
		"two hosts":                  "GET /hosts HTTP/1.1\r\nHost: registry.example\r\nHost: other.example\r\n\r\n" + next,
		"no host":                    "GET /nohost HTTP/1.1\r\n\r\n" + next,
		"get with a body":            "GET /body HTTP/1.1\r\nHost: registry.example\r\nContent-Length: 55\r\n\r\n" + next,
		"HTTP/1.0 with chunks":       "POST /old HTTP/1.0\r\nHost: registry.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next,
		"HTTP/3.7":                   "GET /new HTTP/3.7\r\nHost: registry.example\r\n\r\n" + next,
		"no version":                 "GET /\r\n" + next,
		"upgrade to h2c":             "GET /h2c HTTP/1.1\r\nHost: registry.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + next,
		"fields of the connection":   "GET /hop HTTP/1.1\r\nHost: registry.example\r\nConnection: close, host, content-length\r\n\r\n" + next,
	} {
		t.Run(what, func(t *testing.T) {
			answers := r.raw(t, []byte(raw), 2)
			asked := slices.DeleteFunc(o.takeTargets(), func(s string) bool { return strings.HasPrefix(s, "/alive") })
			fine := 0
			for _, a := range answers {
				if a.StatusCode == http.StatusOK {
					fine++
				}
			}
			if n := len(asked); n > fine && n > len(answers) {
				t.Errorf("the origin got %q, and the client %d answers", asked, len(answers))
			}
			r.stillServes(t)
			o.takeTargets()
			os.RemoveAll(filepath.Join(r.dir, "registry.example")) // the next one must ask
		})
	}
}

// TestFloodOfFields sends ten megabytes of header in several shapes. Each is
// refused, and costs no memory.
func TestFloodOfFields(t *testing.T) {
	r, _ := strictRig(t)
	head := "GET /flood-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\n"
	const much = 10 << 20
	before := heap()
	for what, raw := range map[string]string{
		"many fields":    head + strings.Repeat("X-Flood: 0123456789012345678901234567890123456789\r\n", much/50),
		"one field":      head + "X-Flood: " + strings.Repeat("x", much),
		"one name":       head + strings.Repeat("x", much),
		"one target":     "GET /" + strings.Repeat("x", much),
		"one method":     "GET" + strings.Repeat("T", much),
		"empty fields":   head + strings.Repeat("a:\r\n", much/4),
		"folded field":   head + "X-Flood: x" + strings.Repeat("\r\n x", much/4),
		"never finished": head + "X-Flood: ",
	} {
		t.Run(what, func(t *testing.T) {
			if what == "never finished" {
				c, err := r.dial(t.Context(), "tcp", "registry.example:80")
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(c, raw)
				defer c.Close()
			} else if answers := r.raw(t, []byte(raw), 1); len(answers) > 0 && answers[0].StatusCode < 400 {
				t.Errorf("answered with %s", answers[0].Status)
			}
			r.stillServes(t)
		})
	}
	runtime.KeepAlive(head)
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("the heap has grown by %d MB", grown>>20)
	}
}

// heap is what is in use after a collection. It may be less than before.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// TestOddTargets asks for all kinds of names. They stay in the directory, and
// whoever asks gets an answer.
func TestOddTargets(t *testing.T) {
	r, o := strictRig(t)
	targets := []string{
		"/../../secret", "/..", "/../secret", "/a/../../../secret", "/%2e%2e/%2e%2e/secret", "/%2E%2E/secret", "/%252e%252e/secret",
		"/..%2f..%2fsecret", "/..%2F..%2Fsecret", "/..%5c..%5csecret", `/..\..\secret`, "/%2e%2e%2f%2e%2e%2fsecret", "/.%2e/secret", "/%c0%ae%c0%ae/secret",
		"/%00", "/a%00b", "/%", "/%zz", "/%2", "//", "///secret", "/./.", "/.cachex/salt", "/%2ecachex/salt", "/a?../../secret", "/?%00", "/a#b",
		"/%self", "/a%~b", "/a%+", "/a%+/b", "/index.html", "/404", "/a/404", "/" + strings.Repeat("n", 255), "/" + strings.Repeat("n", 256),
		"/" + strings.Repeat("n", 8<<10), "/" + strings.Repeat("n", 64<<10), "/" + strings.Repeat("n/", 4<<10), "/" + strings.Repeat("../", 4<<10),
		"/?" + strings.Repeat("q", 64<<10), "/" + strings.Repeat("%41", 20<<10), "/\xff\xfe", "/\u202e", "*", "/a b",
		"http://registry.example/absolute", "http://../secret", "http://./secret", "http://.cachex/salt", "http:///secret", "http://registry.example:99999/",
		"http://registry.example:/", "http://[::1]/", "http://[::1%25lo]/", "http://[::1", "http://a:b@registry.example/", "http://%2e%2e/secret",
		"http://registry.example%2f..%2f../secret", `http://registry.example\..\..\secret`, "http://" + strings.Repeat("h", 300) + ".example/",
		"http://" + strings.Repeat("h", 64<<10) + "/", "http://REGISTRY.example/CASE", "http://registry.example./dot", "ftp://registry.example/", "file:///etc/passwd",
		"http:registry.example", "http://a..b/", "http://-/", "http://_/", "http://\x7f/", "http://registry.example?q", "registry.example:80", "//other.example/x",
	}
	for _, method := range []string{"GET", "HEAD", "DELETE"} {
		for _, target := range targets {
			raw := method + " " + target + " HTTP/1.1\r\nHost: registry.example\r\nConnection: close\r\n\r\n"
			for range 2 { // what is kept is asked for again
				r.raw(t, []byte(raw), 1)
			}
		}
	}
	for _, h := range []string{"", "..", "../..", ".", ".cachex", "a/b", `a\b`, "a b", "[::1]", "[", "a:b:c", "%2e%2e", "\x00", "a@b", strings.Repeat("h", 70_000)} {
		r.raw(t, []byte("GET /host-1.0.0.tgz HTTP/1.1\r\nHost: "+h+"\r\nConnection: close\r\n\r\n"), 1)
	}
	r.stillServes(t)
	if n := len(o.takeTargets()); n < 20 {
		t.Errorf("the origin got %d requests: most were to get there", n)
	}
	salt, err := os.Stat(filepath.Join(r.dir, ".cachex/salt"))
	if err != nil || salt.Size() != 32 {
		t.Errorf("the salt was written to: %v, %v", salt, err)
	}
	names, err := os.ReadDir(filepath.Join(r.dir, ".cachex"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if !slices.Contains([]string{"meta", "tmp", "locks", "salt", "parts", "absent", "vary", "variants"}, n.Name()) {
			t.Errorf("among the store's own there is now %s", n)
		}
	}
}

// TestIdleConnections opens a thousand connections, of which each costs little,
// and which all end with the proxy.
func TestIdleConnections(t *testing.T) {
	r, _ := strictRig(t)
	r.stillServes(t)
	before, n := heap(), 1000
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for i := range n {
		c, err := r.dial(t.Context(), "tcp", "registry.example:80")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		switch i % 3 {
		case 0: // says nothing
			continue
		case 1: // has begun to say something
			io.WriteString(c, "GET /alive-1.0.0.tgz HT")
			continue
		}
		io.WriteString(c, "GET /alive-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\n\r\n")
		c.SetReadDeadline(time.Now().Add(testPatience))
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Fatal(err)
		}
	}
	r.stillServes(t)
	grown := heap() - before
	t.Logf("%d bytes for a connection", grown/int64(n))
	if grown > int64(n)*(100<<10) {
		t.Errorf("%d idle connections hold %d MB", n, grown>>20)
	}
}
