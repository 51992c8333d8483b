package policy

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Keep is whether an answer is kept.
type Keep struct {
	OK     bool
	Reason string // why not, or as what
}

// Storable decides whether the answer to a GET may be kept. vary are the
// answer's selecting fields as Selecting gives them.
func (m Mode) Storable(req http.Header, u *url.URL, status int, answer http.Header) Keep {
	why, artifact := Artifact(u, status, answer)
	cc := parse(answer)
	switch {
	case !keptStatus(status):
		return Keep{false, strings.TrimSpace(fmt.Sprintf("status %d %s", status, http.StatusText(status)))}
	case slices.Contains(fieldNames(answer.Values("Vary")), "*"):
		return Keep{false, "Vary: *"}
	case strings.HasPrefix(answer.Get("Content-Type"), "text/event-stream"):
		return Keep{false, "event stream"}
	case artifact && status == http.StatusOK && m != RFC9111:
		return Keep{true, why}
	case m == Forever && status == http.StatusOK:
		return Keep{true, "forever"}
	case cc.has("no-store"):
		return Keep{false, "no-store"}
	case parse(req).has("no-store"):
		return Keep{false, "the client sent no-store"}
	case cc.has("private") && Credentials(req) != "":
		return Keep{false, "private"}
	}
	return Keep{true, "index"}
}

// keptStatus lists the answers that mean the same tomorrow or tell a client
// what to try next. 429 and 5xx speak of the moment only.
func keptStatus(status int) bool {
	switch status {
	case http.StatusOK,
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
		http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusGone, http.StatusUnavailableForLegalReasons:
		return true
	}
	return false
}

// secretFields are the fields that tell who asks.
var secretFields = []string{
	"Authorization", "Cookie", "Private-Token", "Job-Token", "Deploy-Token",
	"X-Jfrog-Art-Api", "X-Api-Key", "X-Nuget-Apikey", "X-Auth-Token", "X-Amz-Security-Token",
}

// Credentials is the part of a request that only one user has, "" when there
// is none. It is a secret.
func Credentials(req http.Header) string {
	var parts []string
	for _, name := range secretFields {
		for _, v := range req.Values(name) {
			parts = append(parts, name+": "+v)
		}
	}
	return strings.Join(parts, "\n")
}

// ownHop are fields that speak of one connection or one user and are not kept
// (RFC 9111 section 3.1), and those that would lead clients around the proxy.
var ownHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade", "Set-Cookie", "Set-Cookie2", "Alt-Svc", "Strict-Transport-Security",
	"X-Cachex", "Cache-Status", "Content-Length",
}

// KeptHeader is the part of an answer's header that is kept: without what is
// only about the connection, and without secrets.
func KeptHeader(answer http.Header) http.Header {
	h := answer.Clone()
	for _, v := range answer.Values("Connection") {
		for name := range strings.SplitSeq(v, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range slices.Concat(ownHop, secretFields) {
		h.Del(name)
	}
	for name := range h {
		low := strings.ToLower(name)
		if strings.Contains(low, "ratelimit") || strings.Contains(low, "rate-limit") {
			h.Del(name)
		}
	}
	for _, name := range []string{"Location", "Content-Location"} {
		link := h.Get(name)
		switch unsigned := unsignedLink(link); unsigned {
		case link:
		case "":
			h.Del(name)
		default:
			h.Set(name, unsigned)
		}
	}
	return h
}

// unsignedLink takes the secrets out of a URL reference and leaves the rest as
// it was sent.
func unsignedLink(link string) string {
	if u, err := url.Parse(link); err == nil {
		if v := Unsigned(u); v != u {
			return v.String()
		}
		return link
	}
	// Clients follow what Go calls invalid, such as a lone "%".
	place, query, has := strings.Cut(link, "?")
	if strings.Contains(place, "@") {
		return "" // there may be a password
	}
	if query = unsignedQuery(query); has && query != "" {
		place += "?" + query
	}
	return place
}
