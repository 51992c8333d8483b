// Package policy judges answers: may one be kept, under which variant, for how
// long, and why. It is pure: it looks at URLs, header fields and the clock that
// it is given, and does nothing.
package policy

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
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
	// RFC9111 keeps everything by RFC 9111 alone, as a shared cache.
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
	// Invalid is set when an unsafe request has changed the resource (RFC 9111
	// section 4.4).
	Invalid bool
}

// Use is what may be done with a stored answer.
type Use struct {
	// Fresh: it may be served as it is. Otherwise upstream is asked first.
	Fresh bool
	// Refresh: it may be served as it is although it is stale, while upstream
	// is asked (stale-while-revalidate, RFC 5861 section 3).
	Refresh bool
	// Standby: it may be served when upstream fails.
	Standby bool
	// Lasting: it is fresh whatever the time, and whatever the request asks for.
	Lasting bool
	// Asked: it would be fresh, but the client wants a newer one.
	Asked  bool
	Reason string
	// Age is what its Age field says (RFC 9111 section 5.1); negative where it
	// has none, as for what never gets old.
	Age time.Duration
}

// Judge decides how a stored answer may be used for a request.
func (m Mode) Judge(req http.Header, a Answer, now time.Time) Use {
	switch {
	case a.Own:
		return Use{Fresh: true, Lasting: true, Reason: "own file", Age: -1}
	case a.Invalid:
		return Use{Standby: m != RFC9111, Reason: "stale: it was changed by a request that writes", Age: age(a, now)}
	case m == Forever && a.Status < 400:
		return Use{Fresh: true, Lasting: true, Reason: "forever", Age: -1}
	}
	if m != RFC9111 && a.Status < 400 {
		if why, ok := Artifact(a.URL, a.Status, a.Header); ok {
			return Use{Fresh: true, Lasting: true, Reason: why, Age: -1}
		}
	}
	return m.judgeFreshness(req, a, now)
}

func (m Mode) judgeFreshness(req http.Header, a Answer, now time.Time) Use {
	cc := m.directives(a.Header)
	life, why := m.lifetime(a, cc)
	if a.Received.Sub(now) > maxSkew {
		life, why = 0, "it was received in the future"
	}
	u := Use{Age: age(a, now)}
	over := u.Age - life // how long it has been stale
	u.Standby = m.standsBy(cc, over)
	asked := parse(req)
	anew := asksForFresh(req, asked, u.Age)
	switch {
	case anew && over < 0:
		u.Asked, u.Reason = true, "the client asked for a fresh answer"
	case anew:
		u.Reason = "stale: " + why
	case over < 0 && m.freshEnough(asked, -over):
		u.Fresh, u.Reason = true, "fresh: "+why
	case over < 0:
		u.Asked, u.Reason = true, "the client asked for an answer that stays fresh"
	case m == RFC9111 && !forbidsStale(cc) && acceptsStale(asked, over):
		u.Fresh, u.Reason = true, "stale, and the client accepts that"
	default:
		u.Reason = "stale: " + why
		window, given := cc.seconds("stale-while-revalidate")
		u.Refresh = m == RFC9111 && given && over < window && !forbidsStale(cc)
	}
	return u
}

// forbidsStale tells of the directives that forbid serving a stale answer
// without asking (RFC 9111 section 4.2.4).
func forbidsStale(cc directives) bool {
	return cc.has("must-revalidate") || cc.has("proxy-revalidate") || cc.has("s-maxage") || cc.hasWhole("no-cache")
}

// standsBy decides whether a stale answer may be served when upstream fails. The
// modes for builds prefer yesterday's index to no build.
func (m Mode) standsBy(cc directives, over time.Duration) bool {
	if m != RFC9111 {
		return true
	}
	window, given := cc.seconds("stale-if-error") // RFC 5861 section 4
	return !forbidsStale(cc) && (!given || over < window)
}

// asksForFresh reads the request's own directives (RFC 9111 section 5.2.1).
func asksForFresh(req http.Header, cc directives, age time.Duration) bool {
	if cc.has("no-cache") || cc == nil && req.Get("Pragma") == "no-cache" {
		return true
	}
	d, ok := cc.seconds("max-age")
	return ok && age >= d
}

func (m Mode) freshEnough(asked directives, left time.Duration) bool {
	d, ok := asked.seconds("min-fresh")
	return !ok || left >= d || m != RFC9111
}

// acceptsStale reads max-stale, which without an argument accepts any age.
func acceptsStale(asked directives, over time.Duration) bool {
	if asked.hasWhole("max-stale") {
		return true
	}
	d, ok := asked.seconds("max-stale")
	return ok && over <= d
}

// OnlyIfCached tells whether a client wants no answer but a kept one (RFC 9111
// section 5.2.1.7).
func OnlyIfCached(req http.Header) bool { return parse(req).has("only-if-cached") }

// Failing tells whether a status says that upstream can't answer now, so that a
// kept answer may stand in (RFC 5861 section 4). To a build, being told to come
// back later is as bad.
func (m Mode) Failing(status int) bool {
	return slices.Contains([]int{500, 502, 503, 504}, status) || status == http.StatusTooManyRequests && m != RFC9111
}

// Retries tells whether a request is worth sending again after such an answer.
// RFC 9111 has caches pass on what they get.
func (m Mode) Retries(status int) bool {
	return m != RFC9111 && slices.Contains([]int{429, 502, 503, 504}, status)
}

// RetryAfter is how long an answer asks to wait (RFC 9110 section 10.2.3), 0
// when it does not say.
func RetryAfter(answer http.Header, now time.Time) time.Duration {
	v := answer.Get("Retry-After")
	if d, ok := parseSeconds(v); ok {
		return d
	}
	if at, ok := parseDate(v); ok {
		return max(0, at.Sub(now))
	}
	return 0
}
