package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sends is an origin that answers each request with the same bytes.
func sends(raw string) func(c net.Conn, target string) {
	return func(c net.Conn, target string) {
		raw := raw
		if strings.HasPrefix(target, "/alive") {
			raw = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 16\r\n\r\n/alive-1.0.0.tgz"
		}
		io.WriteString(c, raw)
	}
}

// TestHostileOrigin answers in ways in which no server should. The client gets
// an error or what there is, the proxy lives, and nothing wrong is kept.
func TestHostileOrigin(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for what, c := range map[string]struct {
		raw  string
		kept bool // it may be
	}{
		"flood of fields":        {ok + strings.Repeat("X-Flood: 0123456789012345678901234567890123456789\r\n", 200_000) + "\r\n", false},
		"endless field":          {ok + "X-Flood: " + strings.Repeat("x", 10<<20), false},
		"endless status":         {"HTTP/1.1 200 " + strings.Repeat("x", 10<<20), false},
		"endless 103":            {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: <x>; rel=preload\r\n\r\n", 200_000), false},
		"100 without end":        {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 200_000), false},
		"101 for nothing":        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello", false},
		"largest length":         {ok + "Content-Length: 9223372036854775807\r\n\r\nhello", false},
		"length beyond that":     {ok + "Content-Length: 9223372036854775808\r\n\r\nhello", false},
		"negative length":        {ok + "Content-Length: -5\r\n\r\nhello", false},
		"two lengths":            {ok + "Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello", false},
		"length and chunked":     {ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true},
		"huge chunk":             {ok + "Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nhello", false},
		"overflowing chunk":      {ok + "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", false},
		"negative chunk":         {ok + "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", false},
		"chunk without end":      {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false},
		"trailers without end":   {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" + strings.Repeat("X: y\r\n", 1_000_000), false},
		"status 000":             {"HTTP/1.1 000 \r\nContent-Length: 5\r\n\r\nhello", false},
		"status 99":              {"HTTP/1.1 99 x\r\nContent-Length: 5\r\n\r\nhello", false},
		"status 099":             {"HTTP/1.1 099 x\r\nContent-Length: 5\r\n\r\nhello", false},
		"status 999":             {"HTTP/1.1 999 x\r\nContent-Length: 5\r\n\r\nhello", false},
		"204 with a body":        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", false},
		"304 unasked for":        {"HTTP/1.1 304 Not Modified\r\n\r\n", false},
		"206 unasked for":        {"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/10\r\nContent-Length: 5\r\n\r\nhello", false},
		"416 unasked for":        {"HTTP/1.1 416 No\r\nContent-Range: bytes */0\r\nContent-Length: 5\r\n\r\nhello", false},
		"no HTTP":                {"220 ready\r\n", false},
		"HTTP/0.9":               {"hello", false},
		"HTTP/7.3":               {"HTTP/7.3 200 OK\r\nContent-Length: 5\r\n\r\nhello", true},
		"NUL in a field":         {ok + "X-A: \x00\r\nContent-Length: 5\r\n\r\nhello", true},
		"CR in a field":          {ok + "X-A: a\rSet-Cookie: b\r\nContent-Length: 5\r\n\r\nhello", true},
		"bytes in a field":       {ok + "X-A: \xff\xfe\r\nContent-Length: 5\r\n\r\nhello", true},
		"odd ETag":               {ok + "ETag: \"a\" \"b\"\r\nVary: \x01\r\nContent-Length: 5\r\n\r\nhello", true},
		"redirect to nowhere":    {"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n", true},
		"redirect to a file":     {"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", true},
		"redirect without end":   {"HTTP/1.1 302 Found\r\nLocation: " + strings.Repeat("/x", 100_000) + "\r\nContent-Length: 0\r\n\r\n", true},
		"no gzip":                {ok + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", true},
		"gzip of gzip of gzip":   {ok + "Content-Encoding: gzip, gzip, gzip\r\nContent-Length: 5\r\n\r\nhello", true},
		"more than it announced": {ok + "Content-Length: 5\r\n\r\nhello" + strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 10), true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel() // most of it is waiting to ask again
			r, o := strictRig(t)
			o.answer = sends(c.raw)
			for _, path := range []string{"/evil-1.0.0.tgz", "/evil/index"} {
				req := "GET " + path + " HTTP/1.1\r\nHost: registry.example\r\nConnection: close\r\n\r\n"
				r.raw(t, []byte(req), 1)
			}
			r.stillServes(t)
			r.stop()
			checkRaw(t, r, c.kept)
		})
	}
}

// checkRaw looks at what was kept of a hostile answer.
func checkRaw(t *testing.T, r *rig, may bool) {
	t.Helper()
	nothingLeft(t, r.dir)
	names, _ := filepath.Glob(filepath.Join(r.dir, "registry.example", "evil*"))
	if !may && len(names) > 0 {
		t.Errorf("kept: %v", names)
	}
}

// TestCompressedBomb sends a few kilobytes that are many megabytes of zeros. They
// go to the disk and to the client as they come, and memory stays.
func TestCompressedBomb(t *testing.T) {
	size := int64(soak(t, 64)) << 20
	size = min(size, 1<<30)
	var bomb bytes.Buffer
	z, err := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	io.CopyN(z, zeros{}, size)
	z.Close()
	r, o := strictRig(t)
	o.answer = sends("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", bomb.Len()) + bomb.String())
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://registry.example/index", nil)
	if err != nil {
		t.Fatal(err)
	}
	before := heap()
	resp, err := r.client(false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	peak := int64(0)
	got, buf := int64(0), make([]byte, 1<<20)
	for last := time.Now(); err == nil; {
		var n int
		n, err = resp.Body.Read(buf)
		got += int64(n)
		if time.Since(last) > 20*time.Millisecond {
			peak, last = max(peak, heap()-before), time.Now()
		}
	}
	if err != io.EOF || got != size {
		t.Errorf("%d bytes of %d, %v", got, size, err)
	}
	t.Logf("%d bytes are %d bytes, the heap has grown by %d", bomb.Len(), size, peak)
	if peak > 32<<20 {
		t.Errorf("the heap has grown by %d MB", peak>>20)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
