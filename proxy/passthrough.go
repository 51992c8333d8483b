package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
)

// passThrough carries a connection to one of the Passthrough hosts, TLS and all,
// and tells whether it did. Otherwise the connection is as it was.
func (p *Proxy) passThrough(ctx context.Context, c *conn) bool {
	if len(p.Passthrough) == 0 {
		return false
	}
	hello := peekHello(ctx, c)
	if hello == nil {
		return false
	}
	host := p.passthroughHost(hello, c.dest)
	if host == "" {
		return false
	}
	c.dest.host = host
	p.tunnelTLS(ctx, c)
	return true
}

// encryptedClientHello is the extension of that name (RFC 9849). Clients that
// have no use for it send one full of random bytes.
const encryptedClientHello = 0xfe0d

// passthroughHost is the host to connect to, "" when it is none of the
// Passthrough hosts. The name in a hello counts, and where it may be that of an
// outer hello or there is none, so does the name that the client looked up.
func (p *Proxy) passthroughHost(h *tls.ClientHelloInfo, looked destination) string {
	name := strings.ToLower(strings.TrimSuffix(h.ServerName, "."))
	switch {
	case name == "":
		name = looked.host
	case slices.Contains(h.Extensions, encryptedClientHello) && net.ParseIP(looked.host) == nil:
		if p.Passthrough.Match(name, looked.port) {
			return looked.host
		}
		name = looked.host
	}
	if !p.Passthrough.Match(name, looked.port) {
		return ""
	}
	return name
}

// tunnelTLS carries TLS that is not opened.
func (p *Proxy) tunnelTLS(ctx context.Context, c *conn) {
	defer c.Close()
	x := p.beginTLS(c, c.dest.host)
	if place := p.Passthrough.find(c.dest.host, c.dest.port).rule; place != "" {
		x.rule = "rule " + place
	}
	if why := p.barred(x, c.dest, "passed through"); why != "" {
		// access_denied in an alert of its own (RFC 8446 section 6): clients
		// then say more than that the connection was closed.
		c.Write([]byte{21, 3, 3, 0, 2, 2, 49}) // fails when nobody reads it
		x.finish(Refused, why, 0)
		return
	}
	up, err := p.connect(ctx, c.dest)
	if err != nil {
		x.finish(Error, err.Error(), 0)
		return
	}
	p.splice(ctx, c, up, x, "passed through")
}

// errPeeked ends a handshake at its first message.
var errPeeked = errors.New("the hello is read")

// peekHello reads a client's hello and leaves it to be read again. It is nil
// when there is none that can be read; who reads it next will say why.
func peekHello(ctx context.Context, c *conn) *tls.ClientHelloInfo {
	var hello *tls.ClientHelloInfo
	tape := &tape{Conn: c}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	tls.Server(tape, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		hello = h
		return nil, errPeeked
	}}).HandshakeContext(ctx) // fails, with errPeeked or another error
	c.unread(tape.read.Bytes())
	return hello
}

// tape is a connection that remembers what was read and sends nothing.
type tape struct {
	net.Conn
	read bytes.Buffer
}

func (t *tape) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.read.Write(p[:n])
	return n, err
}

func (t *tape) Write(p []byte) (int, error) { return len(p), nil }

// unread puts bytes back before what was read ahead. The connection's scheme
// must be known.
func (c *conn) unread(b []byte) {
	if c.ahead != nil {
		rest, _ := c.ahead.Peek(c.ahead.Buffered()) // no error: they are there
		b = append(b, rest...)
	}
	if len(b) == 0 {
		c.ahead = nil
		return
	}
	c.ahead = bufio.NewReaderSize(bytes.NewReader(b), len(b))
	c.ahead.Peek(len(b))
}
