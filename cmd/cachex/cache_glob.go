package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// urlGlob is a pattern for URLs: see cacheLong. The zero value matches all.
type urlGlob struct {
	text   string
	scheme string     // "" is any
	any    [][]string // patterns of which one must match, split at each *
	host   string     // the only one that it can match, "" when there may be several
}

func parseGlob(text string) (urlGlob, error) {
	g := urlGlob{text: text}
	rest := text
	if scheme, after, ok := strings.Cut(text, "://"); ok {
		if scheme = strings.ToLower(scheme); scheme != "https" && scheme != "http" && scheme != "*" {
			return g, fmt.Errorf("%q: only https and http URLs are kept", text)
		}
		g.scheme, rest = strings.Trim(scheme, "*"), after
	}
	if rest == "" || strings.HasPrefix(rest, "/") {
		return g, fmt.Errorf("%q names no host; for any host: '*%s'", text, rest)
	}
	host, path, ok := strings.Cut(rest, "/")
	if ok {
		rest = strings.ToLower(host) + "/" + path
	}
	if !strings.Contains(host, "*") {
		g.host = strings.ToLower(host)
	}
	if !strings.Contains(text, "*") && ok {
		// A URL, which may have a signature or the scheme's own port.
		u, err := url.Parse("https://" + rest)
		if g.scheme != "" && err == nil {
			u.Scheme = g.scheme
		}
		if err == nil {
			k := store.KeyOf(policy.Unsigned(u))
			g.host, rest = k.Host, k.Host+k.Target
		}
	}
	g.any = [][]string{strings.Split(rest, "*")}
	if !ok { // '*.tgz' is of whole URLs, '*.example' of their hosts
		g.any = append(g.any, strings.Split(strings.ToLower(rest)+"/*", "*"))
	}
	return g, nil
}

// key tells whether a document's URL matches, whatever its scheme.
func (g *urlGlob) key(k store.Key) bool {
	return g.any == nil || slices.ContainsFunc(g.any, func(parts []string) bool { return matchParts(k.Host+k.Target, parts) })
}

// matchParts tells whether a text is made of parts with anything between them.
func matchParts(s string, parts []string) bool {
	s, ok := strings.CutPrefix(s, parts[0])
	last := len(parts) - 1
	if !ok || last == 0 {
		return ok && s == ""
	}
	for _, p := range parts[1:last] {
		_, after, ok := strings.Cut(s, p)
		if !ok {
			return false
		}
		s = after
	}
	return strings.HasSuffix(s, parts[last])
}

// form tells whether an answer matches that came by a URL. A user's own file, of
// which that is not known, answers https and http.
func (g *urlGlob) form(m *store.Meta) bool {
	return g.scheme == "" || m == nil || m.Plain() == (g.scheme == "http")
}

// parseURL reads the URL of a document. Signatures and passwords are no part of
// its key.
func parseURL(text string) (*url.URL, store.Key, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil: // which would repeat what may be secret in it
		return nil, store.Key{}, errors.New("this is no URL")
	case u.Host == "" && u.Scheme == "" && strings.Contains(text, "/"):
		return parseURL("https://" + text)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, store.Key{}, errors.New("a URL is needed, as https://registry.example/a-1.0.0.tgz")
	}
	u = policy.Unsigned(u)
	return u, store.KeyOf(u), nil
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
