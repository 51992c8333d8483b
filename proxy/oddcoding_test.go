package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestMoreThanAnnounced: bytes after the announced end are nobody's answer, and
// the next request on the connection gets its own.
func TestMoreThanAnnounced(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		requests := bufio.NewReader(theirs)
		for n := 0; ; n++ {
			req, err := http.ReadRequest(requests)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			body := fmt.Sprintf("answer %d", n)
			fmt.Fprintf(theirs, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s and more", len(body), body)
		}
	}()
	used := false
	tr := &http.Transport{DialContext: tolerant(func(context.Context, string, string) (net.Conn, error) {
		if used {
			return nil, io.ErrClosedPipe
		}
		used = true
		return ours, nil
	})}
	defer tr.CloseIdleConnections()
	for n, method := range []string{"GET", "GET", "GET"} {
		req, _ := http.NewRequest(method, "http://registry.example/", nil)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(n, err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != fmt.Sprintf("answer %d", n) || err != nil {
			t.Errorf("%d: %q, %v", n, b, err)
		}
		time.Sleep(time.Millisecond) // the excess arrives
	}
}

// TestSwitchedConnection: after 101 all bytes are passed on, whoever speaks
// first.
func TestSwitchedConnection(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c, err := tolerant(func(context.Context, string, string) (net.Conn, error) { return ours, nil })(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
	go func() {
		buf := make([]byte, 100)
		theirs.Read(buf)
		io.WriteString(theirs, switched)
		n, _ := theirs.Read(buf)
		io.WriteString(theirs, strings.ToUpper(string(buf[:n])))
	}()
	io.WriteString(c, "GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n")
	got := make([]byte, len(switched))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != switched {
		t.Fatalf("%q, %v", got, err)
	}
	io.WriteString(c, "hello")
	if _, err := io.ReadFull(c, got[:5]); err != nil || string(got[:5]) != "HELLO" {
		t.Errorf("%q, %v", got[:5], err)
	}
}
