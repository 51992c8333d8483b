package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	socks "golang.org/x/net/proxy"
)

// NewConnect is for Proxy.Connect: it goes through the host's own HTTPS_PROXY
// where that is set and NO_PROXY does not say otherwise, as NewTransport does.
// The certificate of a proxy that speaks TLS itself is verified with roots.
func NewConnect(roots func() (*x509.CertPool, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{KeepAlive: 30 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		via, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: address}})
		switch {
		case err != nil:
			return nil, err
		case via == nil:
			return dialer.DialContext(ctx, network, address)
		}
		switch via.Scheme {
		case "http", "https":
			return dialVia(ctx, dialer, via, address, roots)
		case "socks5", "socks5h":
			return dialSOCKS(ctx, dialer, via, address)
		}
		return nil, fmt.Errorf("a proxy of the kind %q is not known", via.Scheme)
	}
}

// connect opens a connection that carries TLS.
func (p *Proxy) connect(ctx context.Context, d destination) (net.Conn, error) {
	dial := p.Connect
	if dial == nil {
		return p.dial(ctx, d)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return dial(ctx, "tcp", d.String())
}

func dialSOCKS(ctx context.Context, dialer *net.Dialer, via *url.URL, address string) (net.Conn, error) {
	var auth *socks.Auth
	if via.User != nil {
		password, _ := via.User.Password()
		auth = &socks.Auth{User: via.User.Username(), Password: password}
	}
	d, err := socks.SOCKS5("tcp", withPort(via, "1080"), auth, dialer)
	if err != nil {
		return nil, err
	}
	return d.(socks.ContextDialer).DialContext(ctx, "tcp", address)
}

// dialVia asks an HTTP proxy for a tunnel (RFC 9110 section 9.3.6).
func dialVia(ctx context.Context, dialer *net.Dialer, via *url.URL, address string, roots func() (*x509.CertPool, error)) (net.Conn, error) {
	port := map[string]string{"http": "80", "https": "443"}[via.Scheme]
	c, err := dialer.DialContext(ctx, "tcp", withPort(via, port))
	if err != nil {
		return nil, fmt.Errorf("the host's proxy: %w", err)
	}
	if via.Scheme == "https" {
		pool, err := roots()
		if err != nil {
			c.Close()
			return nil, err
		}
		c = tls.Client(c, &tls.Config{ServerName: via.Hostname(), RootCAs: pool})
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	open, err := askForTunnel(c, via, address)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("the host's proxy: %w", err)
	}
	return open, nil
}

func askForTunnel(c net.Conn, via *url.URL, address string) (net.Conn, error) {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if via.User != nil {
		password, _ := via.User.Password()
		credentials := via.User.Username() + ":" + password
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
	}
	if err := req.Write(c); err != nil {
		return nil, err
	}
	ahead := bufio.NewReader(c)
	resp, err := http.ReadResponse(ahead, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s for CONNECT %s", resp.Status, address)
	}
	// A server that speaks first may have done so already.
	return &conn{Conn: c, ahead: ahead, scheme: "tcp"}, nil
}

func withPort(u *url.URL, port string) string {
	if p := u.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(u.Hostname(), port)
}
