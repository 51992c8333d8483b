package proxy

import (
	"net/http"
	"sync"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// cookies are the Set-Cookie fields of kept answers for as long as the process
// lives: they are never written down. Only policy.RFC9111 shares them.
type cookies struct {
	mu   sync.Mutex
	kept map[cookieOf]http.Header
}

// cookieOf names one kept answer.
type cookieOf struct {
	url      string
	received int64 // nanoseconds
}

// maxCookies bounds the answers whose cookies are remembered.
const maxCookies = 10_000

func (c *cookies) note(mode policy.Mode, m *store.Meta, answer http.Header) {
	h := mode.Cookies(answer)
	if h == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil || len(c.kept) >= maxCookies {
		c.kept = map[cookieOf]http.Header{}
	}
	c.kept[cookieOf{m.URL, m.Received.UnixNano()}] = h
}

func (c *cookies) of(m *store.Meta) http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) == 0 {
		return nil
	}
	return c.kept[cookieOf{m.URL, m.Received.UnixNano()}]
}

// cookieFields are the fields of an answer that are for who asked alone.
func cookieFields(answer http.Header) http.Header {
	h := http.Header{}
	for _, name := range []string{"Set-Cookie", "Set-Cookie2"} {
		if v := answer.Values(name); len(v) > 0 {
			h[name] = v
		}
	}
	return h
}
