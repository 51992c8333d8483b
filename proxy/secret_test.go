package proxy

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// TestSecret: who does not show it gets nothing, in whatever way it is asked for.
func TestSecret(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for name := range req.Header {
			if name == "Proxy-Authorization" {
				t.Error("upstream was told the secret")
			}
		}
		io.WriteString(w, "bytes")
	})
	r := newRig(t, origin, rigOptions{secret: "s3cret"})
	through := func(user *url.Userinfo) *http.Client {
		tr := &http.Transport{
			Proxy:           http.ProxyURL(&url.URL{Scheme: "http", User: user, Host: "198.18.0.1:3128"}),
			DialContext:     r.dial,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr, Timeout: 20 * time.Second}
	}
	for _, user := range []*url.Userinfo{nil, url.UserPassword("cachex", "other"), url.UserPassword("cachex", ""), url.User("s3cret")} {
		c := through(user)
		resp, err := c.Get("http://registry.example/a-1.0.0.tgz")
		if err != nil || resp.StatusCode != http.StatusProxyAuthRequired || resp.Header.Get("Proxy-Authenticate") == "" {
			t.Fatalf("as %v over http: %v, %v", user, resp, err)
		}
		resp.Body.Close()
		if resp, err := c.Get("https://registry.example/a-1.0.0.tgz"); err == nil {
			t.Errorf("as %v over https: %s", user, resp.Status)
		}
	}
	if n := len(r.hits); n > 0 {
		t.Errorf("upstream got %d requests", n)
	}
	c := through(url.UserPassword("anyone", "s3cret"))
	for _, u := range []string{"http://registry.example/a", "https://registry.example/b", "https://registry.example/c"} {
		resp, err := c.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || string(b) != "bytes" || err != nil {
			t.Errorf("%s: %s %q, %v", u, resp.Status, b, err)
		}
	}
}

// TestSecretOfServer: a listener with a secret is a proxy, and no server for those
// who come to its address.
func TestSecretOfServer(t *testing.T) {
	r := newRig(t, http.NotFoundHandler(), rigOptions{secret: "s3cret"})
	ask := func(text string) string {
		c, err := r.dial(t.Context(), "tcp", "proxy.example:3128")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(testPatience))
		io.WriteString(c, text)
		c.(*net.TCPConn).CloseWrite()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return "nothing"
		}
		resp.Body.Close()
		return resp.Status
	}
	const shown = "Proxy-Authorization: Basic Y2FjaGV4OnMzY3JldA==\r\n"
	for text, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: registry.example\r\n\r\n":              "407 Proxy Authentication Required",
		"GET / HTTP/1.1\r\nHost: registry.example\r\n" + shown + "\r\n": "400 Bad Request",
		"SSH-2.0-client\r\n":                       "nothing",
		"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00": "nothing",
	} {
		if got := ask(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if n := len(r.hits); n > 0 {
		t.Errorf("upstream got %d requests", n)
	}
}
