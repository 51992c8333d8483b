package policy

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// directives are the Cache-Control directives of a header, names in lower case
// (RFC 9111 section 5.2). A directive without argument has the value "".
type directives map[string]string

func (d directives) has(name string) bool { _, ok := d[name]; return ok }

// hasWhole tells of a directive that is about the whole answer: with an
// argument, no-cache and private are about the fields that it names.
func (d directives) hasWhole(name string) bool { v, ok := d[name]; return ok && v == "" }

// seconds reads a delta-seconds argument. What is no number counts as zero:
// RFC 9111 section 4.2.1 wants an invalid lifetime to be stale.
func (d directives) seconds(name string) (time.Duration, bool) {
	v, ok := d[name]
	if !ok {
		return 0, false
	}
	s, _ := parseSeconds(v)
	return s, true
}

// maxSeconds is 2^31 (RFC 9111 section 1.2.2), what larger numbers stand for.
const maxSeconds = 1 << 31

func parseSeconds(v string) (time.Duration, bool) {
	v = strings.TrimSpace(v)
	if v == "" || strings.Trim(v, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n > maxSeconds {
		n = maxSeconds
	}
	return time.Duration(n) * time.Second, true
}

// parse reads all Cache-Control lines. Quoted strings may hold commas. Of a
// directive that comes twice the first counts.
func parse(h http.Header) directives {
	lines := h.Values("Cache-Control")
	if len(lines) == 0 {
		return nil
	}
	d := directives{}
	rest := strings.Join(lines, ",")
	for rest != "" {
		var item string
		item, rest = nextItem(rest)
		name, value, _ := strings.Cut(item, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		value = strings.TrimSpace(value)
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if name != "" && !d.has(name) {
			d[name] = value
		}
	}
	return d
}

// targeted are the directives of an answer that are for caches like ours. By
// RFC 9213 a targeted field that is a valid dictionary stands in for
// Cache-Control and Expires. A cache that is shared by the builds of many is
// what CDN-Cache-Control is for; the other modes leave it to CDNs, as they are
// purged when their content changes.
func (m Mode) targeted(answer http.Header) (directives, bool) {
	lines := answer.Values("CDN-Cache-Control")
	if m != RFC9111 || len(lines) == 0 {
		return nil, false
	}
	members, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(members.Names()) == 0 {
		return nil, false
	}
	d := directives{}
	for _, name := range members.Names() {
		member, _ := members.Get(name)
		item, ok := member.(httpsfv.Item)
		if !ok {
			continue // a list, which no directive is
		}
		switch v := item.Value.(type) {
		case bool:
			if v {
				d[name] = ""
			}
		case int64:
			d[name] = strconv.FormatInt(v, 10)
		case string:
			if name == "private" || name == "no-cache" {
				d[name] = v
			}
		}
	}
	return d, len(d) > 0
}

// directives are those that an answer has for this cache.
func (m Mode) directives(answer http.Header) directives {
	if d, ok := m.targeted(answer); ok {
		return d
	}
	return parse(answer)
}

// nextItem cuts a list at the first comma outside of quotes.
func nextItem(s string) (item, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
