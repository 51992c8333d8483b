package policy

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// directives are the Cache-Control directives of a header, names in lower case
// (RFC 9111 section 5.2). A directive without argument has the value "".
type directives map[string]string

func (d directives) has(name string) bool { _, ok := d[name]; return ok }

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
	d := directives{}
	rest := strings.Join(h.Values("Cache-Control"), ",")
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
