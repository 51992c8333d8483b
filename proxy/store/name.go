package store

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// Names.
//
// A raw URL path holds no "%" that two hexadecimal digits do not follow
// (net/http refuses others), so "%" and anything else is ours:
//
//	%_XX   the byte XX, where it cannot stand in a file name as it is
//	%_     an empty path segment
//	%self  the document itself, where its name is a folder too
//	%~L    after a name: the variant L of it
//	%+     after a name: it goes on in the next folder (255-byte limit)
//	%.json after a name, below .cachex/meta: its metadata
const (
	escape    = "%_"
	selfName  = "%self"
	variantOf = "%~"
	continued = "%+"
	metaExt   = "%.json"
	indexName = "index.html"

	// statusLen is the length of a status code. A segment that is one, as in
	// /issues/404, has its first digit escaped: it would be what the links of
	// error answers beside it lead to.
	statusLen = len("404")

	// maxName is what is left of the 255 bytes that Linux file systems allow
	// when continued, metaExt and the suffix of a temporary name are taken off.
	maxName = 200
)

// Key names what is kept: a URL less its scheme, which is a property of the
// stored answer and not of its place.
type Key struct {
	// Host is the lower-case host name, with ":port" unless the port is the
	// scheme's own.
	Host string
	// Target is the raw path, with "?" and the raw query when there is one, as
	// the client sent it. It begins with a slash.
	Target string
}

// ErrName says that a path in a cache directory stands for no URL.
var ErrName = errors.New("not the name of a cached document")

// KeyOf is the key of an absolute http or https URL. Nothing is cleaned but
// the case of the host and the default port.
func KeyOf(u *url.URL) Key {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	target := u.EscapedPath()
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	if u.RawQuery != "" || u.ForceQuery {
		target += "?" + u.RawQuery
	}
	return Key{Host: host, Target: target}
}

// URL is the key's URL under a scheme.
func (k Key) URL(scheme string) string { return scheme + "://" + k.Host + k.Target }

// isOf tells whether a URL is the key's, under either scheme.
func (k Key) isOf(u string) bool {
	rest, ok := strings.CutPrefix(u, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(u, "http://")
	}
	target, of := strings.CutPrefix(rest, k.Host)
	return ok && of && target == k.Target
}

func (k Key) hostName() string { return strings.Join(split(encodeSegment(k.Host, true)), "/") }

// Name is the slash-separated path, relative to the cache directory, of the
// document (variant "" is the main one). ParseName is its inverse.
func (k Key) Name(variant string) string {
	if variant == "" {
		name := k.Host + k.Target
		if host := plain(name); host > 0 && host == len(k.Host) {
			return name
		}
	}
	return k.anyName(variant)
}

// anyName is Name for any key.
func (k Key) anyName(variant string) string {
	rawPath, query, hasQuery := strings.Cut(k.Target, "?")
	segments := strings.Split(strings.TrimPrefix(rawPath, "/"), "/")
	last := len(segments) - 1
	parts := []string{k.hostName()}
	for i, seg := range segments {
		name := encodeSegment(seg, false)
		if i == last {
			switch {
			case seg == "":
				name = indexName
			case seg == indexName:
				// The plain name stands for the trailing slash.
				name = escapeByte(seg[0]) + seg[1:]
			}
			if hasQuery {
				name += "?" + encodeQuery(query)
			}
			if variant != "" {
				name += variantOf + encodeQuery(variant)
			}
		}
		parts = append(parts, split(name)...)
	}
	return strings.Join(parts, "/")
}

// ParseName gives the key and the variant for a path below the cache
// directory.
func ParseName(name string) (Key, string, error) {
	if host := plain(name); host > 0 {
		return Key{name[:host], name[host:]}, "", nil
	}
	return parseName(name)
}

// plain tells whether each segment of a name is what it stands for, as most are:
// none is escaped, cut or special. It gives the length of the host's, or 0.
func plain(name string) (host int) {
	from := 0 // where the segment begins
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			if c := name[i]; c < ' ' || c >= 0x7f || c == '%' || c == '?' || c == '\\' {
				return 0
			}
			continue
		}
		switch seg := name[from:i]; {
		case seg == "", seg == ".", seg == "..", len(seg) > maxName, isStatus(seg):
			return 0
		case from == 0 && (seg[0] == '.' || i == len(name)):
			return 0
		case i == len(name) && seg == indexName:
			return 0
		case from == 0:
			host = i
		}
		from = i + 1
	}
	return host
}

// parseName is ParseName for any name.
func parseName(name string) (Key, string, error) {
	parts := strings.Split(name, "/")
	if len(parts) > 2 && parts[len(parts)-1] == selfName {
		parts = parts[:len(parts)-1]
	}
	var segments []string
	joined := ""
	for _, p := range parts {
		if head, more := strings.CutSuffix(p, continued); more {
			joined += head
			continue
		}
		segments = append(segments, joined+p)
		joined = ""
	}
	if joined != "" || len(segments) < 2 {
		return Key{}, "", ErrName
	}
	host, hostOK := decode(segments[0])
	k, variant, ok := parseSegments(segments[1:])
	k.Host = host
	// The check makes the two functions inverses by construction: what no key
	// is written as is no name.
	if !ok || !hostOK || host == "" || strings.TrimSuffix(name, "/"+selfName) != k.anyName(variant) {
		return Key{}, "", ErrName
	}
	return k, variant, nil
}

func parseSegments(segments []string) (Key, string, bool) {
	last := len(segments) - 1
	name, variant, _ := strings.Cut(segments[last], variantOf)
	name, query, hasQuery := strings.Cut(name, "?")
	var target strings.Builder
	for i, seg := range segments {
		if i == last {
			seg = name
		}
		raw, ok := decode(seg)
		if !ok {
			return Key{}, "", false
		}
		if i == last && name == indexName {
			raw = ""
		}
		target.WriteString("/" + raw)
	}
	if hasQuery {
		raw, ok := decode(query)
		if !ok {
			return Key{}, "", false
		}
		target.WriteString("?" + raw)
	}
	variant, ok := decode(variant)
	return Key{Target: target.String()}, variant, ok
}

func escapeByte(b byte) string {
	return escape + strings.ToUpper(strconv.FormatUint(uint64(b)+0x100, 16)[1:])
}

// encodeSegment writes a raw path segment as a file name.
func encodeSegment(seg string, host bool) string {
	switch {
	case seg == "":
		return escape
	case seg == "." || seg == "..", host && seg[0] == '.':
		return escapeByte('.') + encodeQuery(seg[1:])
	case isStatus(seg):
		return escapeByte(seg[0]) + seg[1:]
	}
	return encodeQuery(seg)
}

// isStatus tells whether a text is a status code that a link may lead to.
func isStatus(s string) bool {
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	return len(s) == statusLen && '3' <= s[0] && s[0] <= '5' && digit(s[1]) && digit(s[2])
}

// encodeQuery writes any bytes as part of a file name.
func encodeQuery(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '/' || c < ' ' || c == 0x7f || c >= 0x80 || c == '\\':
			b.WriteString(escapeByte(c))
		case c == '%' && !(i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2])):
			b.WriteString(escapeByte(c))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// decode undoes encodeSegment and encodeQuery.
func decode(s string) (string, bool) {
	if s == escape {
		return "", true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 >= len(s) || s[i+1] != '_' {
			return "", false
		}
		v, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(v))
		i += 3
	}
	return b.String(), true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// split breaks a name that no file system would take into folders.
func split(name string) []string {
	var parts []string
	for len(name) > maxName {
		n := cut(name)
		parts = append(parts, name[:n]+continued)
		name = name[n:]
	}
	return append(parts, name)
}

// cut finds where to break a name: after at most maxName bytes, never within
// an escape and never so that a part could be read as another name.
func cut(name string) int {
	n := maxName
	if len(name)-n <= statusLen {
		n -= statusLen // a rest of ".", ".." or "404" would be no name
	}
	for i := n - 1; i > n-4; i-- {
		if name[i] == '%' {
			return i
		}
	}
	return n
}
