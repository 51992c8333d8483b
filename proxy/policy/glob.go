package policy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Glob is a pattern for URLs in which each * stands for any characters, slashes as
// well. Without a scheme it means https and http; without a path, all of a host,
// or a whole URL. The zero value matches all.
type Glob struct {
	text   string
	scheme string     // "" is any
	any    [][]string // patterns of which one must match, split at each *
	host   string     // the only one that it can match, "" when there may be several
	bare   bool       // it has no path
}

// ParseGlob reads a pattern. keyOf gives host and target, the path with its query,
// under which a URL is kept: one without * is in the form of what is kept.
func ParseGlob(text string, keyOf func(*url.URL) (host, target string)) (Glob, error) {
	g := Glob{text: text}
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
			var target string
			g.host, target = keyOf(u)
			rest = g.host + target
		}
	}
	g.any = [][]string{strings.Split(rest, "*")}
	if g.bare = !ok; g.bare { // '*.tgz' is of whole URLs, '*.example' of their hosts
		g.any = append(g.any, strings.Split(strings.ToLower(rest)+"/*", "*"))
	}
	return g, nil
}

// String is the pattern as it was written.
func (g Glob) String() string { return g.text }

// Host is the one host that the pattern can match, "" when there may be several.
func (g Glob) Host() string { return g.host }

// Scheme is the one scheme that the pattern can match, "" for both.
func (g Glob) Scheme() string { return g.scheme }

// HostPattern is the pattern without its scheme where it has no path, and false
// where it has one.
func (g Glob) HostPattern() (string, bool) {
	_, rest, ok := strings.Cut(g.text, "://")
	if !ok {
		rest = g.text
	}
	return rest, g.bare
}

// Match tells whether a URL matches, whatever its scheme. target is its path and
// query.
func (g Glob) Match(host, target string) bool {
	return g.any == nil || slices.ContainsFunc(g.any, func(parts []string) bool { return matchParts(host+target, parts) })
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
