package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// dialTimeout bounds the opening of a tunnel, as clients' own time-outs do.
const dialTimeout = 30 * time.Second

func (p *Proxy) dial(ctx context.Context, d destination) (net.Conn, error) {
	dial := p.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return dial(ctx, "tcp", d.String())
}

// tunnel carries bytes that are not HTTP to where they wanted to go. With
// protocols (those of the client's hello) or an open TLS connection the way
// upstream is encrypted as well.
func (p *Proxy) tunnel(ctx context.Context, c *conn, protocols []string) {
	defer c.Close()
	x := p.begin("CONNECT", "tcp://"+c.dest.String())
	if why := p.barred(x, c.dest, "not HTTP"); why != "" {
		x.finish(Refused, why, 0)
		return
	}
	_, encrypted := c.Conn.(*tls.Conn)
	dial := p.dial
	if encrypted {
		dial = p.connect
	}
	up, err := dial(ctx, c.dest)
	if err != nil {
		x.finish(Error, err.Error(), 0)
		return
	}
	if encrypted {
		t, err := p.dialTLS(ctx, up, c.dest.host, protocols)
		if err != nil {
			up.Close()
			x.finish(Error, err.Error(), 0)
			return
		}
		up = t
	}
	p.splice(ctx, c, up, x, "not HTTP")
}

func (p *Proxy) dialTLS(ctx context.Context, up net.Conn, host string, protocols []string) (net.Conn, error) {
	config := &tls.Config{ServerName: host, NextProtos: protocols}
	if p.Roots != nil {
		roots, err := p.Roots()
		if err != nil {
			return nil, err
		}
		config.RootCAs = roots
	}
	t := tls.Client(up, config)
	return t, t.HandshakeContext(ctx)
}

// splice copies both ways until both sides have ended.
func (p *Proxy) splice(ctx context.Context, c *conn, up net.Conn, x *exchange, reason string) {
	defer up.Close()
	stop := context.AfterFunc(ctx, func() { up.Close() })
	defer stop()
	x.lively.stage.set("is open: %s", reason)
	if c.scheme == "" {
		c.scheme = "tcp"
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		io.Copy(up, onlyReader{c})
		closeWrite(up)
	})
	n, _ := io.Copy(c.Conn, up)
	c.CloseWrite()
	wg.Wait()
	x.bytes, x.network = n, n
	if reason != hostPort {
		p.recordTunnel(x.ex.URL)
	}
	x.finish(Tunnel, reason, 0)
}

// onlyReader hides other methods, which would take the bytes read ahead for
// lost.
type onlyReader struct{ io.Reader }

func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
		return
	}
	c.Close()
}

// serveLocal carries a connection to a server of this machine. Who speaks first
// and what is nobody's business: TLS is not opened, and nothing is kept.
func (p *Proxy) serveLocal(ctx context.Context, c *conn, servers []netip.AddrPort) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	x := p.begin("CONNECT", "tcp://"+servers[0].String())
	var up net.Conn
	var err error
	for _, at := range servers {
		up, err = (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", at.String())
		if err == nil {
			break
		}
	}
	if err != nil {
		c.reset() // it was open when the sandbox was asked
		x.finish(Error, err.Error(), 0)
		return
	}
	p.splice(ctx, c, up, x, hostPort)
}

// hostPort is the reason for a tunnel that is not upstream's affair.
const hostPort = "a port of the host"

// offlineSilence is how long a client may be silent that nobody can answer. Those
// that speak first have done so within milliseconds, unless they were opened in
// advance; they are opened again then.
const offlineSilence = 2 * time.Second

// serveSilent opens the connection upstream for a client that says nothing. If
// the server speaks first it is a tunnel. If the client does after all, the
// connection is looked at again.
func (p *Proxy) serveSilent(ctx context.Context, c *conn) {
	if p.Reach.Denied(c.dest.host, c.dest.port) != "" {
		p.tunnel(ctx, c, nil) // it closes at once, and says why
		return
	}
	if p.Offline || p.unnamedTunnel("tcp://"+c.dest.String()) != "" {
		// Nobody will greet, and clients of SMTP wait five minutes for it (RFC
		// 5321 section 4.5.3.2.1).
		c.SetReadDeadline(time.Now().Add(offlineSilence))
		p.serveLate(ctx, c)
		return
	}
	up, err := p.dial(ctx, c.dest)
	if err != nil {
		x := p.begin("CONNECT", "tcp://"+c.dest.String())
		x.finish(Error, err.Error(), 0)
		c.Close()
		return
	}
	first := make(chan int, 2) // who spoke: 0 the client, 1 the server
	us := &conn{Conn: up}
	var wg sync.WaitGroup
	wg.Go(func() { c.peek(1); first <- 0 })
	wg.Go(func() { us.peek(1); first <- 1 })
	who := <-first
	// The other side's wait is ended by a deadline in the past.
	past := time.Unix(1, 0)
	c.SetReadDeadline(past)
	up.SetReadDeadline(past)
	wg.Wait()
	c.SetReadDeadline(time.Time{})
	up.SetReadDeadline(time.Time{})
	c.forgetTimeout()
	us.forgetTimeout()
	if who == 1 {
		us.scheme = "tcp"
		x := p.begin("CONNECT", "tcp://"+c.dest.String())
		p.splice(ctx, c, us, x, "not HTTP")
		c.Close()
		return
	}
	up.Close()
	p.serveLate(ctx, c)
}

// forgetTimeout drops a buffer that holds nothing but the error of a deadline.
func (c *conn) forgetTimeout() {
	if c.ahead != nil && c.ahead.Buffered() == 0 {
		c.ahead = nil
	}
}

// serveLate serves a client that speaks after a while.
func (p *Proxy) serveLate(ctx context.Context, c *conn) {
	switch s, err := c.sniff(false); {
	case err != nil:
		x := p.begin("CONNECT", "tcp://"+c.dest.String())
		if why := p.barred(x, c.dest, "not HTTP"); why != "" {
			x.finish(Refused, why, 0)
		}
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
