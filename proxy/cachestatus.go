package proxy

import (
	"net/http"
	"strconv"
	"time"
)

// Cache-Status (RFC 9211), Age and Via say what a cache did.

// hitStatus describes a kept answer: hit, or what it was asked for again.
func hitStatus(o Outcome) string {
	switch o {
	case Revalidated:
		return "hit; fwd=stale; fwd-status=304"
	case Stale:
		return "hit; fwd=stale; detail=upstream-failed"
	}
	return "hit"
}

// The reasons to go forward that RFC 9211 section 2.2 names.
const (
	fwdMiss    = "fwd=uri-miss"
	fwdStale   = "fwd=stale"
	fwdVary    = "fwd=vary-miss"
	fwdPartial = "fwd=partial"
	fwdMethod  = "fwd=method"
	fwdBypass  = "fwd=bypass"
)

// mark adds cachex to the caches and proxies that an answer has passed. status
// are the parameters of its Cache-Status member.
func mark(h http.Header, status string) {
	h.Add("Cache-Status", "cachex; "+status)
	h.Add("Via", "1.1 cachex")
}

// setAge makes the Age of a kept answer what it is now. A negative age is that
// of an answer which does not get old.
func setAge(h http.Header, age time.Duration) {
	if age < 0 {
		h.Del("Age")
		return
	}
	h.Set("Age", strconv.FormatInt(int64(age/time.Second), 10))
}
