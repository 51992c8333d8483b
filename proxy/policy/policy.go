// Package policy judges answers: may one be kept, under which variant, for how
// long, and why. It is pure: it looks at URLs, header fields and the clock that
// it is given, and does nothing.
package policy

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"
)

// Mode is what the user asked for with --policy.
type Mode string

// The modes. The zero Mode is Artifacts.
const (
	// Artifacts keeps what names a version for ever, and the rest by RFC 9111.
	Artifacts Mode = "artifacts"
	// Forever keeps everything until its file is deleted.
	Forever Mode = "forever"
	// RFC9111 keeps everything by RFC 9111 alone.
	RFC9111 Mode = "rfc9111"
)

// ParseMode reads a mode's name.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Artifacts, Forever, RFC9111:
		return m, nil
	}
	return "", fmt.Errorf("unknown policy %q", s)
}

// Answer is a stored answer as far as judging it needs.
type Answer struct {
	URL       *url.URL
	Status    int
	Header    http.Header
	Requested time.Time // request_time of RFC 9111 section 4.2.3
	Received  time.Time // response_time
	// Own is set for a file that a user put into the directory.
	Own bool
}

// Use is what may be done with a stored answer.
type Use struct {
	// Fresh: it may be served as it is. Otherwise upstream is asked first, and
	// the answer may stand in when upstream fails.
	Fresh  bool
	Reason string
}

// Judge decides how a stored answer may be used for a request.
func (m Mode) Judge(req http.Header, a Answer, now time.Time) Use {
	switch {
	case a.Own:
		return Use{true, "own file"}
	case m == Forever && a.Status < 400:
		return Use{true, "forever"}
	}
	if why, ok := Artifact(a.URL, a.Status, a.Header); ok && a.Status < 400 && m != RFC9111 {
		return Use{true, why}
	}
	life, why := lifetime(a)
	age := age(a, now)
	switch {
	case age >= life:
		return Use{false, "stale: " + why}
	case asksForFresh(req, age):
		return Use{false, "the client asked for a fresh answer"}
	}
	return Use{true, "fresh: " + why}
}

// negative is how long an error answer that says nothing of its lifetime is
// taken as true. Builds probe several repositories for each file; a version
// that was published meanwhile should be found soon.
const negative = 10 * time.Minute

// lifetime is the freshness lifetime (RFC 9111 section 4.2.1). Without an
// explicit one an answer is revalidated each time: a build wants the newest
// index more than it wants to save a 304.
func lifetime(a Answer) (time.Duration, string) {
	cc := parse(a.Header)
	if cc.has("no-cache") {
		return 0, "no-cache"
	}
	if d, ok := cc.seconds("s-maxage"); ok {
		return d, fmt.Sprintf("s-maxage=%d", int(d.Seconds()))
	}
	if d, ok := cc.seconds("max-age"); ok {
		return d, fmt.Sprintf("max-age=%d", int(d.Seconds()))
	}
	if v := a.Header.Get("Expires"); v != "" {
		at, err := http.ParseTime(v)
		if err != nil {
			return 0, "invalid Expires" // RFC 9111 section 5.3: in the past
		}
		return at.Sub(dateOf(a)), "Expires"
	}
	switch a.Status {
	case http.StatusNotFound, http.StatusGone:
		return negative, "recent error"
	}
	return 0, "no lifetime given"
}

// age is the current_age of RFC 9111 section 4.2.3.
func age(a Answer, now time.Time) time.Duration {
	apparent := max(0, a.Received.Sub(dateOf(a)))
	corrected := a.Received.Sub(a.Requested)
	if v, ok := parseSeconds(a.Header.Get("Age")); ok {
		corrected = plus(corrected, v)
	}
	resident := now.Sub(a.Received)
	return plus(max(apparent, corrected), max(0, resident))
}

// plus adds two durations, the second not negative, so that a Date centuries
// ago does not come out as young.
func plus(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func dateOf(a Answer) time.Time {
	if t, err := http.ParseTime(a.Header.Get("Date")); err == nil {
		return t
	}
	return a.Received
}

// asksForFresh reads the request's own directives (RFC 9111 section 5.2.1).
func asksForFresh(req http.Header, age time.Duration) bool {
	cc := parse(req)
	if cc.has("no-cache") || len(req.Values("Cache-Control")) == 0 && req.Get("Pragma") == "no-cache" {
		return true
	}
	d, ok := cc.seconds("max-age")
	return ok && age >= d
}
