package proxy

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
)

// Some servers send a Transfer-Encoding that nobody knows, and then the body as
// it is until they close. net/http refuses such an answer; other clients read
// it (RFC 9112 section 6.3 rule 4). Without that field net/http does as well.
//
// Others send more bytes than they announced. Those must not be taken for the
// answer to the next request on the connection.

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
// that are sent over it in the clear, and what comes after their end.
type tolerantConn struct {
	net.Conn
	// asked is set when the next bytes that arrive begin an answer.
	asked atomic.Bool
	head  atomic.Bool // the request is a HEAD
	// other is set when something else was sent: what arrives is left alone.
	other atomic.Bool
	ready []byte // filtered, to be read first
	err   error  // what came after ready
	// counted is set when the length of the answer's body is known, left then
	// is how much of it is still to come.
	counted bool
	left    int64
}

// Write looks for the start of a request without a body.
func (c *tolerantConn) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("GET ")) || bytes.HasPrefix(b, []byte("HEAD ")) {
		c.head.Store(b[0] == 'H')
		c.asked.Store(true)
	} else if !c.asked.Load() { // and not the rest of a long request
		c.other.Store(true)
	}
	return c.Conn.Write(b)
}

// Read filters the head of an answer and passes on all else.
func (c *tolerantConn) Read(b []byte) (int, error) {
	if len(c.ready) == 0 && c.err == nil {
		n, err := c.Conn.Read(b)
		for n > 0 && err == nil && c.counted && c.left == 0 && !c.asked.Load() && !c.other.Load() {
			n, err = c.Conn.Read(b) // nobody has asked for that
		}
		if c.other.CompareAndSwap(true, false) {
			c.counted = false
		}
		if n == 0 || !c.asked.CompareAndSwap(true, false) {
			return c.count(n), err
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
		if n >= len("HTTP/1.1 101") && final(head[at+len("HTTP/1.1 "):]) {
			body := head[at+n+len("\r\n\r\n"):]
			c.counted, c.left = c.bodyLength(head[at : at+n])
			body = body[:c.count(len(body))]
			head = append(append(withoutOddCoding(head[:at+n]), "\r\n\r\n"...), body...)
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

// final tells of a status that ends an answer, or turns the connection into
// something else (101).
func final(status []byte) bool { return status[0] != '1' || bytes.HasPrefix(status, []byte("101")) }

// count takes bytes of a body off what is left of it, and says how many of them
// are part of it.
func (c *tolerantConn) count(n int) int {
	if !c.counted {
		return n
	}
	n = int(min(int64(n), c.left))
	c.left -= int64(n)
	return n
}

// bodyLength reads the length of a body from an answer's head, where nothing
// but a Content-Length says it.
func (c *tolerantConn) bodyLength(head []byte) (known bool, n int64) {
	lines := strings.Split(string(head), "\r\n")
	status, _, _ := strings.Cut(lines[0][min(len(lines[0]), len("HTTP/1.1 ")):], " ")
	if status == "101" {
		return false, 0
	}
	if c.head.Load() || status == "204" || status == "304" {
		return true, 0
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		switch {
		case strings.EqualFold(name, "transfer-encoding"):
			return false, 0
		case strings.EqualFold(name, "content-length"):
			length, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil || length < 0 || known && length != n {
				return false, 0 // net/http refuses it
			}
			known, n = true, length
		}
	}
	return known, n
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
