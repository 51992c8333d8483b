package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func greeting(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }

// inTLS is a client of one request; wrap is around its connection, nil for none.
func inTLS(t *testing.T, r *rig, config *tls.Config, wrap func(net.Conn) net.Conn) (string, error) {
	t.Helper()
	raw, err := r.dial(t.Context(), "tcp", "pinned.example:443")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if wrap != nil {
		raw = wrap(raw)
	}
	config.InsecureSkipVerify = true
	c := tls.Client(raw, config)
	if err := c.Handshake(); err != nil {
		return "", err
	}
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: pinned.example\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// bytewise sends each byte of a hello by itself.
type bytewise struct{ net.Conn }

func (b bytewise) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// long makes a hello that is longer than the buffer of a connection.
func long() []string {
	return append(slices.Repeat([]string{strings.Repeat("x", 200)}, 40), "http/1.1")
}

func TestPassthrough(t *testing.T) {
	for _, c := range []struct {
		name, looked string
		config       *tls.Config
		wrap         func(net.Conn) net.Conn
	}{
		{name: "by its name in the hello", config: &tls.Config{ServerName: "pinned.example"}},
		{name: "whatever was looked up", looked: "cdn.example", config: &tls.Config{ServerName: "Pinned.example"}},
		{name: "by the name that was looked up", looked: "pinned.example", config: &tls.Config{}},
		{name: "TLS 1.2", config: &tls.Config{ServerName: "pinned.example", MaxVersion: tls.VersionTLS12}},
		{name: "a long hello", config: &tls.Config{ServerName: "pinned.example", NextProtos: long()}},
		{name: "a long hello, in pieces", config: &tls.Config{ServerName: "pinned.example", NextProtos: long()}, wrap: func(c net.Conn) net.Conn { return bytewise{c} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, http.HandlerFunc(greeting), rigOptions{name: c.looked, passthrough: "pinned.example"})
			r.proxy.mustNotMatchAddresses(t)
			body, err := inTLS(t, r, c.config, c.wrap)
			if err != nil || body != "hello" {
				t.Fatalf("got %q, %v", body, err)
			}
			x := r.last()
			if x.Outcome != Tunnel || x.URL != "https://pinned.example" || x.Reason != "passed through" || x.Network < 100 || x.Bytes != x.Network {
				t.Errorf("recorded %+v", x)
			}
		})
	}
}

// mustNotMatchAddresses makes sure that a test is about names.
func (p *Proxy) mustNotMatchAddresses(t *testing.T) {
	if p.Passthrough.Match("198.18.0.1", 443) {
		t.Fatal("the rig's address matches")
	}
}

// With ECH the name that was looked up counts: the outer hello has another.
func TestPassthroughEncryptedHello(t *testing.T) {
	r := newRig(t, http.HandlerFunc(greeting), rigOptions{name: "pinned.example", passthrough: "pinned.example"})
	_, err := inTLS(t, r, &tls.Config{
		ServerName: "pinned.example", EncryptedClientHelloConfigList: echConfigs(t, "public.example"),
		EncryptedClientHelloRejectionVerify: func(tls.ConnectionState) error { return nil },
	}, nil)
	var rejected *tls.ECHRejectionError // by the origin, which has no ECH
	if !errors.As(err, &rejected) {
		t.Errorf("handshake: %v", err)
	}
	if x := r.last(); x.Outcome != Tunnel || x.URL != "https://pinned.example" {
		t.Errorf("recorded %+v", x)
	}
}

func TestPassthroughHost(t *testing.T) {
	grease := []uint16{0, encryptedClientHello}
	for _, c := range []struct {
		pattern, name, looked string
		extensions            []uint16
		want                  string
	}{
		{"a.example", "a.example", "a.example", nil, "a.example"},
		{"a.example", "a.example", "b.example", nil, "a.example"},
		{"a.example", "b.example", "a.example", nil, ""}, // fronted: it is b's
		{"a.example", "", "a.example", nil, "a.example"},
		{"a.example", "", "192.0.2.1", nil, ""},
		{"192.0.2.1", "", "192.0.2.1", nil, "192.0.2.1"},
		{"192.0.2.1", "a.example", "192.0.2.1", nil, ""},
		{"a.example", "a.example", "a.example", grease, "a.example"},
		{"a.example", "a.example", "192.0.2.1", grease, "a.example"},
		{"a.example", "outer.example", "a.example", grease, "a.example"},
		{"outer.example", "outer.example", "a.example", grease, "a.example"},
		{"b.example", "outer.example", "a.example", grease, ""},
	} {
		h, err := ParseHosts([]string{c.pattern})
		if err != nil {
			t.Fatal(err)
		}
		p := &Proxy{Passthrough: h}
		got := p.passthroughHost(&tls.ClientHelloInfo{ServerName: c.name, Extensions: c.extensions}, destination{c.looked, 443})
		if got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func TestPassthroughOffline(t *testing.T) {
	r := newRig(t, http.HandlerFunc(greeting), rigOptions{offline: true, passthrough: "pinned.example"})
	_, err := inTLS(t, r, &tls.Config{ServerName: "pinned.example"}, nil)
	if err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("the client got %v", err)
	}
	if x := r.last(); x.Outcome != Refused || x.URL != "https://pinned.example" || x.Reason != "offline: passed through" {
		t.Errorf("recorded %+v", x)
	}
}

// Others are opened as ever, and so is what comes without TLS.
func TestPassthroughOfOthers(t *testing.T) {
	r := newRig(t, http.HandlerFunc(greeting), rigOptions{passthrough: "*.pinned.example"})
	for _, outcome := range []Outcome{Miss, Hit} {
		r.want(r.get("http://a.pinned.example/a-1.0.0.tgz"), 200, "hello", outcome)
		r.want(r.get("https://registry.example/a-1.0.0.tgz"), 200, "hello", outcome)
	}
	body, err := inTLS(t, r, &tls.Config{ServerName: "registry.example", NextProtos: long()}, func(c net.Conn) net.Conn { return bytewise{c} })
	if err != nil || body != "hello" {
		t.Errorf("a long hello: %q, %v", body, err)
	}
	r.last()
	raw, err := r.dial(t.Context(), "tcp", "a.pinned.example:443")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.Write([]byte{22, 3, 1, 0, 4, 1, 0, 0, 0}) // a hello with nothing in it
	io.Copy(io.Discard, raw)
	if x := r.last(); x.Outcome != Error || !strings.HasPrefix(x.Reason, "TLS with the client: ") {
		t.Errorf("recorded %+v", x)
	}
}

// A client that was told of a proxy asks for a tunnel before its TLS.
func TestPassthroughInTunnel(t *testing.T) {
	r := newRig(t, http.HandlerFunc(greeting), rigOptions{passthrough: "pinned.example"})
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128"}), DialContext: r.dial,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	resp, err := client.Get("https://pinned.example/")
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if x := r.last(); x.Outcome != Tunnel || x.URL != "https://pinned.example" {
		t.Errorf("recorded %+v", x)
	}
}

func TestConnectVia(t *testing.T) {
	var got *http.Request
	status := http.StatusOK
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		if status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		c, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n220 first") // in one piece
		c.Close()
	}))
	proxy.Start()
	defer proxy.Close()
	via, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	via.User = url.UserPassword("me", "se:cret")
	c, err := dialVia(t.Context(), &net.Dialer{}, via, "pinned.example:443", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b, err := io.ReadAll(c); string(b) != "220 first" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	if got.Method != http.MethodConnect || got.RequestURI != "pinned.example:443" || got.Host != "pinned.example:443" ||
		got.Header.Get("Proxy-Authorization") != "Basic bWU6c2U6Y3JldA==" {
		t.Errorf("the proxy got %s %s %s %v", got.Method, got.RequestURI, got.Host, got.Header)
	}
	status = http.StatusProxyAuthRequired
	if _, err := dialVia(t.Context(), &net.Dialer{}, via, "pinned.example:443", nil); err == nil ||
		!strings.Contains(err.Error(), "407") || strings.Contains(err.Error(), "cret") {
		t.Errorf("refused: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dialVia(ctx, &net.Dialer{}, via, "pinned.example:443", nil); err == nil {
		t.Error("it connects after the end")
	}
}
