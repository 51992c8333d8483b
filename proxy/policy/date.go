package policy

import (
	"net/http"
	"strings"
	"time"
)

// parseDate reads an HTTP-date (RFC 9110 section 5.6.7), whatever the case of
// its names. time.Parse alone would take several spaces for one and "2:01:18"
// for a time of day, and an Expires that other caches take for invalid would
// keep an answer fresh here.
func parseDate(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	switch {
	case len(s) == len(http.TimeFormat) && strings.EqualFold(s[len(s)-3:], "GMT"):
		t, err := time.Parse(http.TimeFormat, s[:len(s)-3]+"GMT")
		return t, err == nil && !strings.Contains(s, "  ")
	case strings.Contains(s, "-") && len(s) > 3 && strings.EqualFold(s[len(s)-3:], "GMT"):
		return parseRFC850(s[:len(s)-3] + "GMT")
	case len(s) == len(time.ANSIC):
		t, err := time.Parse(time.ANSIC, s)
		return t, err == nil
	}
	return time.Time{}, false
}

const rfc850 = "Monday, 02-Jan-06 15:04:05 GMT"

// parseRFC850 reads the obsolete form, whose years have two digits.
func parseRFC850(s string) (time.Time, bool) {
	t, err := time.Parse(rfc850, s)
	_, rest, _ := strings.Cut(s, ",")
	if err != nil || len(rest) != len(" 02-Jan-06 15:04:05 GMT") {
		return time.Time{}, false
	}
	return t, true // time.Parse takes 69 to 99 for the last century
}

// dateField is a field that holds one date. Several lines of it are no date,
// unless they are all the same.
func dateField(h http.Header, name string) (at time.Time, there, ok bool) {
	lines := h.Values(name)
	if len(lines) == 0 {
		return time.Time{}, false, false
	}
	for _, l := range lines[1:] {
		if l != lines[0] {
			return time.Time{}, true, false
		}
	}
	at, ok = parseDate(lines[0])
	return at, true, ok
}
