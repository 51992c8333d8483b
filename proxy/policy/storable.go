package policy

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Keep is whether an answer is kept.
type Keep struct {
	OK     bool
	Reason string // why not, or as what
}

// Storable decides whether the answer to a GET may be kept.
func (m Mode) Storable(req http.Header, u *url.URL, status int, answer http.Header) Keep {
	switch {
	case slices.Contains(fieldNames(answer.Values("Vary")), "*"):
		return Keep{false, "Vary: *"}
	case strings.HasPrefix(answer.Get("Content-Type"), "text/event-stream"):
		return Keep{false, "event stream"}
	case m == RFC9111:
		return m.storableByRFC(req, status, answer)
	}
	why, artifact := Artifact(u, status, answer)
	cc := parse(answer)
	switch {
	case !keptStatus(status):
		return Keep{false, statusReason(status)}
	case artifact && status == http.StatusOK:
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

// Explicit tells whether an answer says itself how long it is fresh (RFC 9111
// section 4.2.1).
func (m Mode) Explicit(answer http.Header) bool {
	cc := m.directives(answer)
	_, targeted := m.targeted(answer)
	return cc.has("s-maxage") || cc.has("max-age") || !targeted && answer.Get("Expires") != ""
}

func statusReason(status int) string {
	return strings.TrimSpace(fmt.Sprintf("status %d %s", status, http.StatusText(status)))
}

// storableByRFC is RFC 9111 section 3 for a shared cache.
func (m Mode) storableByRFC(req http.Header, status int, answer http.Header) Keep {
	cc := m.directives(answer)
	mustUnderstand := cc.has("must-understand") && understood(status)
	switch {
	case status < 200, status == http.StatusPartialContent, status == http.StatusNotModified:
		return Keep{false, statusReason(status)}
	case cc.has("must-understand") && !understood(status):
		return Keep{false, "must-understand, of an unknown status"}
	case cc.has("no-store") && !mustUnderstand:
		return Keep{false, "no-store"}
	case parse(req).has("no-store"):
		return Keep{false, "the client sent no-store"}
	case cc.hasWhole("private"):
		return Keep{false, "private"}
	case Credentials(req) != "" && !cc.has("public") && !cc.has("must-revalidate") && !cc.has("s-maxage"):
		return Keep{false, "answer to credentials"} // section 3.5
	case m.Explicit(answer), cc.has("public"), heuristicStatus(status):
		return Keep{true, "RFC 9111"}
	}
	return Keep{false, statusReason(status)}
}

// understood are the codes whose caching RFC 9110 section 15 defines.
func understood(status int) bool {
	return status != http.StatusPartialContent && http.StatusText(status) != "" && status >= 200
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

// Replaces tells whether an answer takes the place of a kept one. In the modes
// for builds a refusal does not: a token that has expired, or a limit of rate
// that shows as 403, must not take the document away from those who are offline.
func (m Mode) Replaces(status, kept int) bool {
	refusal := status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusMethodNotAllowed
	return m == RFC9111 || !refusal || kept != http.StatusOK
}

// secretFields are the fields that tell who asks.
var secretFields = []string{
	"Authorization", "Cookie", "Private-Token", "Job-Token", "Deploy-Token",
	"X-Jfrog-Art-Api", "X-Api-Key", "X-Nuget-Apikey", "X-Auth-Token", "X-Amz-Security-Token",
}

// secretEndings are those of the fields that services invent for the same, such
// as X-Vault-Token, in the canonical form of names.
var secretEndings = []string{"-Token", "-Secret", "-Password", "-Api-Key", "-Apikey", "-Access-Key", "-Subscription-Key"}

// isSecret tells of the fields that tell who asks: they have variants of their
// own, and their values must not be written down.
func isSecret(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return slices.Contains(secretFields, name) || invented(name)
}

func invented(name string) bool {
	return slices.ContainsFunc(secretEndings, func(end string) bool { return strings.HasSuffix(name, end) })
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
	known := len(parts)
	for name, values := range req {
		if invented(name) && !slices.Contains(secretFields, name) {
			for _, v := range values {
				parts = append(parts, name+": "+v)
			}
		}
	}
	slices.Sort(parts[known:])
	return strings.Join(parts, "\n")
}

// ownHop are fields that speak of one connection or one user and are not kept
// (RFC 9111 section 3.1), and those that would lead clients around the proxy.
var ownHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade", "Set-Cookie", "Set-Cookie2", "Alt-Svc", "Strict-Transport-Security",
	"X-Cachex", "Content-Length",
}

// Cookies are the fields of an answer that must not be written down, and that
// a cache by RFC 9111 sends to all who get the answer (section 7.3). nil in the
// other modes.
func (m Mode) Cookies(answer http.Header) http.Header {
	if m != RFC9111 {
		return nil
	}
	var h http.Header
	for _, name := range []string{"Set-Cookie", "Set-Cookie2"} {
		if v := answer.Values(name); len(v) > 0 {
			if h == nil {
				h = http.Header{}
			}
			h[name] = v
		}
	}
	return h
}

// KeptHeader is the part of an answer's header that is kept: without what is
// only about the connection, without secrets, and without the fields that
// no-cache or private name.
func KeptHeader(answer http.Header) http.Header {
	h := answer.Clone()
	cc := parse(answer)
	for _, list := range append(answer.Values("Connection"), cc["no-cache"], cc["private"]) {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range ownHop {
		h.Del(name)
	}
	for name := range h {
		if isSecret(name) {
			h.Del(name)
		}
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
	for i, link := range h["Link"] { // <https://…?token=…>; rel="next", … (RFC 8288)
		h["Link"][i] = linkTarget().ReplaceAllStringFunc(link, func(s string) string {
			return "<" + unsignedLink(s[1:len(s)-1]) + ">"
		})
	}
	return h
}

var linkTarget = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("<[^>]*>") })

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
