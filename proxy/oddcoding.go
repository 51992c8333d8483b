package proxy

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync/atomic"
)

// Some servers send a Transfer-Encoding that nobody knows, and then the body as
// it is until they close. net/http refuses such an answer; other clients read
// it (RFC 9112 section 6.3 rule 4). Without that field net/http does as well.

// dialFunc opens a connection, as net.Dialer.DialContext does.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func tolerant(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &tolerantConn{Conn: c}, nil
	}
}

// tolerantConn takes unknown transfer codings out of the answers to requests
// that are sent over it in the clear.
type tolerantConn struct {
	net.Conn
	// asked is set when the next bytes that arrive begin an answer.
	asked atomic.Bool
	ready []byte // filtered, to be read first
	err   error  // what came after ready
}

// Write looks for the start of a request without a body.
func (c *tolerantConn) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("GET ")) || bytes.HasPrefix(b, []byte("HEAD ")) {
		c.asked.Store(true)
	}
	return c.Conn.Write(b)
}

// Read filters the head of an answer and passes on all else.
func (c *tolerantConn) Read(b []byte) (int, error) {
	if len(c.ready) == 0 && c.err == nil {
		n, err := c.Conn.Read(b)
		if n == 0 || !c.asked.CompareAndSwap(true, false) {
			return n, err
		}
		c.readHead(b[:n], err)
	}
	n := copy(b, c.ready)
	if c.ready = c.ready[n:]; len(c.ready) > 0 {
		return n, nil
	}
	err := c.err
	c.ready, c.err = nil, nil
	return n, err
}

// readHead reads up to the end of the final answer's head.
func (c *tolerantConn) readHead(begun []byte, err error) {
	head := bytes.Clone(begun)
	buf := make([]byte, 4<<10)
	at := 0
	for err == nil && len(head) < 4*maxHeader {
		if !begins(head[at:]) {
			break
		}
		n := bytes.Index(head[at:], []byte("\r\n\r\n"))
		if n >= len("HTTP/1.1 1") && string(head[at+len("HTTP/1.1"):][:2]) != " 1" {
			head = append(withoutOddCoding(head[:at+n]), head[at+n:]...)
			break
		}
		if n >= 0 { // an interim answer, which another one follows
			at += n + len("\r\n\r\n")
		}
		if n >= 0 && at < len(head) {
			continue
		}
		var more int
		more, err = c.Conn.Read(buf)
		head = append(head, buf[:more]...)
	}
	c.ready, c.err = head, err
}

// begins tells whether these are, as far as they go, the first bytes of an
// answer.
func begins(b []byte) bool {
	const version = "HTTP/1."
	n := min(len(b), len(version))
	return string(b[:n]) == version[:n]
}

// withoutOddCoding takes the lines out of a head that name a transfer coding
// which net/http does not know.
func withoutOddCoding(head []byte) []byte {
	if !bytes.Contains(bytes.ToLower(head), []byte("\r\ntransfer-encoding:")) {
		return head
	}
	var kept [][]byte
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := strings.Cut(string(line), ":")
		if !strings.EqualFold(name, "transfer-encoding") || strings.EqualFold(strings.TrimSpace(value), "chunked") {
			kept = append(kept, line)
		}
	}
	return bytes.Join(kept, []byte("\r\n"))
}
