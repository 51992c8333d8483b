package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"cachex/proxy"
	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// urlGlob is a pattern for URLs: see cacheLong. The zero value matches all.
type urlGlob struct{ policy.Glob }

// parseGlob reads a pattern for what is kept by these rules.
func parseGlob(text string, rules policy.Rules) (urlGlob, error) {
	g, err := policy.ParseGlob(text, func(u *url.URL) (string, string) {
		k := proxy.KeyOf(rules, u)
		return k.Host, k.Target
	})
	return urlGlob{g}, err
}

// key tells whether a document's URL matches, whatever its scheme.
func (g *urlGlob) key(k store.Key) bool { return g.Match(k.Host, k.Target) }

// form tells whether an answer matches that came by a URL. A user's own file, of
// which that is not known, answers https and http.
func (g *urlGlob) form(m *store.Meta) bool {
	return g.Scheme() == "" || m == nil || m.Plain() == (g.Scheme() == "http")
}

// parseURL reads the URL of a document. Signatures, passwords and what rules drop
// are no part of its key.
func parseURL(text string, rules policy.Rules) (*url.URL, store.Key, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil: // which would repeat what may be secret in it
		return nil, store.Key{}, errors.New("this is no URL")
	case u.Host == "" && u.Scheme == "" && strings.Contains(text, "/"):
		return parseURL("https://"+text, rules)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, store.Key{}, errors.New("a URL is needed, as https://registry.example/a-1.0.0.tgz")
	}
	return proxy.KeptURL(rules, u), proxy.KeyOf(rules, u), nil
}

// shownURL is a URL as a terminal may have it: what is secret is left out, and what
// would be no letter is escaped.
func shownURL(k store.Key, scheme string) string {
	s := k.URL(scheme)
	if strings.ContainsAny(s, "?@") {
		if u, err := url.Parse(s); err == nil {
			if v := policy.Unsigned(u); v != u {
				s = v.String()
			}
		}
	}
	return shownName(s)
}

// shownName is a name as a terminal may have it: what is no letter is escaped.
func shownName(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0 {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
