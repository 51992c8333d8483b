package policy

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// negative is how long an error answer that says nothing of its lifetime is
// taken as true. Builds probe several repositories for each file; a version
// that was published meanwhile should be found soon.
const negative = 10 * time.Minute

// maxHeuristic bounds a lifetime that is only guessed.
const maxHeuristic = 24 * time.Hour

// lifetime is the freshness lifetime (RFC 9111 section 4.2.1).
func (m Mode) lifetime(a Answer, cc directives) (time.Duration, string) {
	if cc.hasWhole("no-cache") {
		return 0, "no-cache"
	}
	for _, name := range []string{"s-maxage", "max-age"} {
		if d, ok := cc.seconds(name); ok {
			return d, fmt.Sprintf("%s=%d", name, int(d.Seconds()))
		}
	}
	_, targeted := m.targeted(a.Header)
	if at, there, ok := dateField(a.Header, "Expires"); there && !targeted {
		if !ok {
			return 0, "invalid Expires" // RFC 9111 section 5.3: in the past
		}
		return at.Sub(dateOf(a)), "Expires"
	}
	if m == RFC9111 {
		return heuristic(a, cc)
	}
	// Without an explicit lifetime an index is revalidated each time: a build
	// wants the newest one more than it wants to save a 304.
	switch a.Status {
	case http.StatusNotFound, http.StatusGone:
		return negative, "recent error"
	}
	return 0, "no lifetime given"
}

// heuristic guesses a lifetime from the time since the last change (RFC 9111
// section 4.2.2), where that is allowed.
func heuristic(a Answer, cc directives) (time.Duration, string) {
	modified, there, ok := dateField(a.Header, "Last-Modified")
	if !there || !ok || !heuristicStatus(a.Status) && !cc.has("public") {
		return 0, "no lifetime given"
	}
	return min(max(0, dateOf(a).Sub(modified)/10), maxHeuristic), "a tenth of its age"
}

// heuristicStatus lists the codes that are heuristically cacheable (RFC 9110
// section 15.1), but for 206, which is no answer of its own here.
func heuristicStatus(status int) bool {
	return slices.Contains([]int{200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}, status)
}

// maxSkew is how far the clocks of machines that share a directory are apart at
// most. An answer from further ahead was kept before this machine's clock was set
// back, and nobody knows how old it is.
const maxSkew = time.Minute

// age is the current_age of RFC 9111 section 4.2.3.
func age(a Answer, now time.Time) time.Duration {
	apparent := max(0, a.Received.Sub(dateOf(a)))
	corrected := plus(a.Received.Sub(a.Requested), ageField(a.Header))
	resident := now.Sub(a.Received)
	return plus(max(apparent, corrected), max(0, resident))
}

// ageField is the first member of the first Age line: what comes after it was
// added by mistake. What is no number is ignored (RFC 9111 section 5.1).
func ageField(h http.Header) time.Duration {
	first, _, _ := strings.Cut(h.Get("Age"), ",")
	d, _ := parseSeconds(first)
	return d
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
	if t, _, ok := dateField(a.Header, "Date"); ok {
		return t
	}
	return a.Received
}
