package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"sync"

	"cachex/proxy/policy"
)

// Load balancers give each client a cookie, and some clients (Maven's among
// them) send it back. Such a cookie says nothing of who asks: it came with an
// answer to a request that said nothing either. What such a request gets under
// a URL that names a version is kept as for everybody; offline there is no one
// to give out a cookie.

// jar knows the cookies that were given out to anybody, by domain.
type jar struct {
	mu    sync.Mutex
	given map[string]map[string]bool // name=value by domain
	size  int
}

// maxGiven bounds the cookies that are remembered.
const maxGiven = 10_000

// note learns the cookies of an answer, if the request for it could have been
// anybody's: one that reads, without credentials and without a query, which
// might hold some. After a request that writes, such as a log-in, the same
// cookies may stand for somebody.
func (j *jar) note(method string, u *url.URL, req, answer http.Header) {
	j.mu.Lock()
	defer j.mu.Unlock()
	host := u.Hostname()
	if !safe(method) {
		for domain := range j.given {
			if within(host, domain) {
				delete(j.given, domain)
			}
		}
		return
	}
	lines := answer.Values("Set-Cookie")
	if len(lines) == 0 || u.RawQuery != "" || u.User != nil || !j.anonymous(host, req) {
		return
	}
	if j.given == nil || j.size > maxGiven {
		j.given, j.size = map[string]map[string]bool{}, 0
	}
	for _, line := range lines {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			continue
		}
		domain := strings.TrimPrefix(strings.ToLower(c.Domain), ".")
		if domain == "" || !within(host, domain) {
			domain = host
		}
		if j.given[domain] == nil {
			j.given[domain] = map[string]bool{}
		}
		j.given[domain][c.Name+"="+c.Value] = true
		j.size++
	}
}

// anybodys tells whether a request with a cookie could be anybody's.
func (j *jar) anybodys(host string, req http.Header) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.anonymous(host, req)
}

// anonymous needs j.mu.
func (j *jar) anonymous(host string, req http.Header) bool {
	if policy.Credentials(req) == "" {
		return true
	}
	if policy.Credentials(http.Header{"Cookie": req["Cookie"]}) != policy.Credentials(req) {
		return false
	}
	for _, line := range req.Values("Cookie") {
		cookies, err := http.ParseCookie(line)
		if err != nil {
			return false
		}
		for _, c := range cookies {
			if !j.gave(host, c.Name+"="+c.Value) {
				return false
			}
		}
	}
	return true
}

func (j *jar) gave(host, pair string) bool {
	for domain, pairs := range j.given {
		if pairs[pair] && within(host, domain) {
			return true
		}
	}
	return false
}

// within tells whether a host is of a cookie's domain (RFC 6265 section 5.1.3).
func within(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}
