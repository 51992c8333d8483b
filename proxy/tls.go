package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// handshakeTimeout bounds the TLS handshake of a client that has begun one.
const handshakeTimeout = 30 * time.Second

// serveTLS opens a TLS connection with a certificate of the run's authority,
// unless it is to be passed through.
func (p *Proxy) serveTLS(ctx context.Context, c *conn) {
	c.scheme = "https"
	if p.passThrough(ctx, c) {
		return
	}
	var hello *tls.ClientHelloInfo
	shown := false
	config := tlsConfig()
	// Sessions are resumed on any connection of the run.
	config.SetSessionTicketKeys([][32]byte{p.ticketKey})
	config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		hello = h
		c.looked = c.dest.host
		if h.ServerName != "" {
			c.dest.host = strings.ToLower(strings.TrimSuffix(h.ServerName, "."))
		}
		if p.obstacles.suspects(c.dest.host) {
			p.nameClient(c) // it waits for us now, and may be gone after
		}
		cert, err := p.Certificate(c.dest.host)
		if err != nil {
			return nil, err
		}
		shown = true
		chosen := tlsConfig()
		chosen.Certificates, chosen.NextProtos = []tls.Certificate{*cert}, p.offered(c.dest.host, h.SupportedProtos)
		return chosen, nil
	}
	c.last = &lastBytes{}
	t := tls.Server(c, config)
	hctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	err := t.HandshakeContext(hctx)
	cancel()
	if err != nil {
		if ctx.Err() == nil {
			p.failedHandshake(c, shown, err)
		}
		c.Close()
		return
	}
	c.last = nil
	switch t.ConnectionState().NegotiatedProtocol {
	case "h2":
		c.batch = newBatch(c.Conn, &p.buffers)
		p.queue.push(t)
		return
	case "http/1.1":
		p.queue.push(p.newHotConn(t, c))
		return
	}
	inner := &conn{Conn: t, dest: c.dest}
	switch s, err := inner.sniff(c.dest.port != 443); {
	case errors.Is(err, errSilent):
		p.tunnel(ctx, inner, hello.SupportedProtos)
	case err != nil:
		p.endedUnasked(c, err)
		t.Close()
	case s == speaksHTTP:
		p.obstacles.trust(c.dest.host)
		inner.scheme = "https"
		inner.asked.Store(true)
		p.queue.push(p.newHotConn(inner, inner))
	default:
		p.tunnel(ctx, inner, hello.SupportedProtos)
	}
}

// tlsConfig is what all connections have in common.
func tlsConfig() *tls.Config {
	return &tls.Config{
		// A key exchange for a world with quantum computers (ML-KEM) takes as long as all
		// the rest of a handshake, and this one never leaves the machine.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		// Small records bring the first bytes sooner over slow networks.
		DynamicRecordSizingDisabled: true,
	}
}

// offered is the list to negotiate from (RFC 7301): ours where the client
// speaks HTTP or says nothing, else the client's own, so that the tunnel can
// ask upstream for the same. A host that git pushes to speaks no HTTP/2.
func (p *Proxy) offered(host string, client []string) []string {
	ours := []string{"h2", "http/1.1"}
	if _, ok := p.pushedTo.Load(host); ok && slices.Contains(client, "http/1.1") {
		return ours[1:]
	}
	if len(client) == 0 || slices.ContainsFunc(client, func(s string) bool { return slices.Contains(ours, s) }) {
		return ours
	}
	return client
}

// connState watches for connections that end before a request.
func (p *Proxy) connState(nc net.Conn, state http.ConnState) {
	c := connOf(nc)
	if c == nil || c == nc {
		return
	}
	if c.hot != nil {
		c.hot.turns(state)
	}
	switch state {
	case http.StateActive:
		if !c.asked.Swap(true) {
			p.obstacles.trust(c.dest.host)
		}
	case http.StateClosed:
		if !c.asked.Load() {
			// What ended a TLS connection is the error of each later read.
			_, err := nc.Read(make([]byte, 1))
			p.endedUnasked(c, err)
		}
	}
}

// beginTLS is for what happens on a connection before its requests.
func (p *Proxy) beginTLS(c *conn, host string) *exchange {
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(host, strconv.Itoa(int(c.dest.port)))}
	u.Host = strings.TrimSuffix(u.Host, ":443")
	return p.begin("CONNECT", u.String())
}

// failedHandshake notes a client that did not get through the TLS handshake.
// shown tells whether it has seen the certificate.
func (p *Proxy) failedHandshake(c *conn, shown bool, err error) {
	alert, ok := remoteAlert(err)
	if !ok {
		alert, _ = c.last.alert()
	}
	x := p.beginTLS(c, c.dest.host)
	reason := fmt.Sprintf("TLS with the client: %v", err)
	switch {
	case refusesCertificate(alert):
		p.obstacles.suspect(c.dest.host)
		x.ex.Obstacle = CertificateRefused
		reason = refusal(alert)
	case shown && closedByPeer(err):
		if p.obstacles.silent(c.dest.host) > 1 {
			x.ex.Obstacle = CertificateRefused
		}
		reason = "the client closed the connection when it saw the certificate"
	}
	if x.ex.Obstacle != "" {
		p.nameClient(c)
		x.ex.Client = c.client
	}
	x.finish(Error, reason, 0)
}

// endedUnasked notes a client that went away after the handshake without a
// request. Some programs look at the certificate only then (GnuTLS leaves it to
// them), and that ECH was not taken up is told then as well (RFC 9849). One closed
// connection is nothing: clients open some in advance.
func (p *Proxy) endedUnasked(c *conn, err error) {
	host, reason := c.dest.host, ""
	var obstacle Obstacle
	alert, _ := remoteAlert(err)
	switch {
	case refusesCertificate(alert):
		p.obstacles.suspect(host)
		obstacle, reason = CertificateRefused, refusal(alert)
	case alert == alertECHRequired:
		obstacle, reason = HelloEncrypted, "the client insists on Encrypted Client Hello"
		if net.ParseIP(c.looked) == nil {
			host = c.looked // the outer hello has another one
		}
		p.obstacles.suspect(c.dest.host)
	case closedByPeer(err) && p.obstacles.silentUntrusted(host) > 1:
		obstacle, reason = CertificateRefused, "the client sends nothing after it has seen the certificate"
	default:
		return
	}
	p.nameClient(c)
	x := p.beginTLS(c, host)
	x.ex.Obstacle, x.ex.Client = obstacle, c.client
	x.finish(Error, reason, 0)
}

// nameClient finds out which program a connection is from, if it can.
func (p *Proxy) nameClient(c *conn) {
	if c.client == "" && p.Client != nil {
		c.client = p.Client(c.Conn)
	}
}
