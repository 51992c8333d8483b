package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

// destination is where a client wanted to go.
type destination struct {
	host string // a name where one is known, else an address
	port uint16
}

func (d destination) String() string {
	return net.JoinHostPort(d.host, strconv.Itoa(int(d.port)))
}

// conn is a client's connection, with what was read ahead and what is known.
type conn struct {
	net.Conn
	ahead  *bufio.Reader // nil when nothing was read ahead
	dest   destination
	scheme string // "http" or "https", once known
	// stranger is set while the client has to show the Secret.
	stranger bool
	// looked is the name that the client looked up, dest.host having become that
	// of its TLS hello. The two differ with ECH.
	looked string
	client string      // the program, where it was asked for
	asked  atomic.Bool // a request came, or the beginning of one
	last   *lastBytes  // nil but during the handshake
	hot    *hotConn    // what net/http reads from; nil where it reads from the connection itself
	batch  *batch      // what is written goes through; nil where it goes straight
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	if c.last != nil {
		c.last.note(p[:n])
	}
	return n, err
}

func (c *conn) read(p []byte) (int, error) {
	if c.ahead != nil {
		if c.ahead.Buffered() > 0 {
			return c.ahead.Read(p)
		}
		if c.scheme != "" { // sniffing is over: the buffer may go
			c.ahead = nil
			return c.Conn.Read(p)
		}
		return c.ahead.Read(p)
	}
	return c.Conn.Read(p)
}

func (c *conn) Write(p []byte) (int, error) {
	if c.batch != nil {
		return c.batch.Write(p)
	}
	return c.Conn.Write(p)
}

// SetWriteDeadline is that of the connection. crypto/tls sets one that is over when it
// has written its last record.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.batch != nil && !t.IsZero() && !t.After(time.Now()) {
		c.batch.drain()
	}
	return c.Conn.SetWriteDeadline(t)
}

// Close ends the connection, after what was written.
func (c *conn) Close() error {
	if c.batch != nil {
		c.batch.close()
	}
	return c.Conn.Close()
}

// ReadFrom lets the kernel copy files to the socket (sendfile) where it can.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(c.Conn, r)
}

// CloseWrite ends the sending side where the connection has one.
func (c *conn) CloseWrite() error {
	if c.batch != nil {
		c.batch.drain()
	}
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Close()
}

// reset breaks a connection off, where it is one of TCP.
func (c *conn) reset() {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		t.SetLinger(0)
		t.Close()
	}
}

func (c *conn) peek(n int) ([]byte, error) {
	if c.ahead == nil {
		c.ahead = bufio.NewReaderSize(c.Conn, 4<<10)
	}
	return c.ahead.Peek(n)
}

type connKey struct{}

// connContext makes the sniffed connection known to its requests.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if s := connOf(c); s != nil {
		return context.WithValue(ctx, connKey{}, s)
	}
	return ctx
}

// connOf is the connection that net/http has another end of, nil when it has none.
func connOf(c net.Conn) *conn {
	switch c := c.(type) {
	case *conn:
		return c
	case *hotConn:
		return c.c
	case *tls.Conn:
		return connOf(c.NetConn())
	}
	return nil
}

// speech is what the first bytes of a connection say.
type speech int

const (
	speaksOther speech = iota
	speaksTLS
	speaksHTTP
	speaksNothing // the client closed, or waits for the server
)

// silence is how long a client may be silent before it is taken for one that
// waits for the server's greeting. On the ports of HTTP nobody greets, and
// browsers open connections that they use much later.
const silence = 300 * time.Millisecond

func (p *Proxy) serveConn(ctx context.Context, c *conn) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	// Who must show a secret speaks first.
	greets := !c.stranger && c.dest.port != 80 && c.dest.port != 443
	switch s, err := c.sniff(greets); {
	case errors.Is(err, errSilent):
		p.serveSilent(ctx, c)
	case err != nil, c.stranger && s != speaksHTTP:
		c.Close()
	case s == speaksTLS:
		p.serveTLS(ctx, c)
	case s == speaksHTTP:
		c.scheme = "http"
		p.queue.push(c)
	default:
		p.tunnel(ctx, c, nil)
	}
}

var errSilent = errors.New("the client waits for the server")

// sniff reads ahead until it knows what the client speaks.
func (c *conn) sniff(greets bool) (speech, error) {
	if greets {
		c.SetReadDeadline(time.Now().Add(silence))
		defer c.SetReadDeadline(time.Time{})
	}
	b, err := c.peek(1)
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			c.ahead = nil // a bufio.Reader keeps the error
			return speaksNothing, errSilent
		}
		return speaksNothing, err
	}
	c.SetReadDeadline(time.Now().Add(handshakeTimeout))
	defer c.SetReadDeadline(time.Time{})
	if b[0] == 0x16 { // a TLS handshake record (RFC 8446 section 5.1)
		if b, _ = c.peek(2); len(b) == 2 && b[1] == 3 {
			return speaksTLS, nil
		}
		return speaksOther, nil
	}
	return c.sniffHTTP(), nil
}

// longestMethod is enough for every registered method (RFC 9110 section 16.1).
const longestMethod = 24

// sniffHTTP looks for a request line's method and the start of its target.
func (c *conn) sniffHTTP() speech {
	for n := 1; n <= longestMethod; n++ {
		b, err := c.peek(n)
		if err != nil {
			return speaksOther
		}
		switch ch := b[n-1]; {
		case 'A' <= ch && ch <= 'Z' || ch == '-' && n > 1:
		case ch == ' ' && n > 3:
			method := string(b[:n-1])
			b, err = c.peek(n + 1)
			if err != nil {
				return speaksOther
			}
			if method == "CONNECT" || bytes.ContainsRune([]byte("/*h"), rune(b[n])) {
				return speaksHTTP
			}
			return speaksOther
		default:
			return speaksOther
		}
	}
	return speaksOther
}
