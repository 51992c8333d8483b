package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// Rules of the user change how some URLs are treated (policy.Rule). What they add to
// requests is added when one is sent, and nowhere before: nothing that keeps,
// records or compares fields of requests ever sees it.
//
// Answers to requests with such a field are kept as those with the same credentials
// by the client would be, for these alone: a cache directory may be shared with who
// has no such credentials, and RFC 9111 section 3.5 is about what the server saw.

// KeyOf is the key of a URL by rules: without signature, and without the parameters
// that they drop.
func KeyOf(rules policy.Rules, u *url.URL) store.Key { return store.KeyOf(KeptURL(rules, u)) }

// KeptURL is a URL without its signature, and without what rules drop: the one by
// which its answer is known. It may be u itself.
func KeptURL(rules policy.Rules, u *url.URL) *url.URL {
	v := policy.Unsigned(u)
	if len(rules) == 0 || v.RawQuery == "" {
		return v
	}
	return policy.WithoutQuery(v, RulingOf(rules, v).DropQuery)
}

// RulingOf is what rules say of a URL.
func RulingOf(rules policy.Rules, u *url.URL) policy.Ruling {
	if len(rules) == 0 {
		return policy.Ruling{}
	}
	k := store.KeyOf(policy.Unsigned(u))
	return rules.For(u.Scheme, k.Host, k.Target)
}

func (p *Proxy) keyOf(u *url.URL) store.Key { return KeyOf(p.Rules, u) }

// ruling is what the rules say of a URL.
func (p *Proxy) ruling(u *url.URL) policy.Ruling { return RulingOf(p.Rules, u) }

// termsOf is what an answer to a query is judged by.
func (p *Proxy) termsOf(r policy.Ruling, req http.Header) policy.Terms {
	t := policy.Terms{Mode: p.Policy, Life: r.Life, Credentials: len(r.Missing(req)) > 0}
	if r.Mode != "" {
		t.Mode = r.Mode
	}
	return t
}

// addFields gives a request the fields that rules add for its URL. It is called for
// each one that is sent, so that a redirect to another host takes none along.
func (p *Proxy) addFields(r *http.Request) *http.Request {
	missing := p.ruling(r.URL).Missing(r.Header)
	if len(missing) == 0 {
		return r
	}
	with := *r
	with.Header = r.Header.Clone()
	if with.Header == nil {
		with.Header = http.Header{}
	}
	for _, f := range missing {
		with.Header.Set(f.Name, f.Value)
	}
	return &with
}

// addedCredentials are the fields that rules add to a request, in the form of
// policy.Credentials; "" when there are none.
func (p *Proxy) addedCredentials(u *url.URL, req http.Header) string {
	if len(p.Rules) == 0 {
		return ""
	}
	var lines []string
	for _, f := range p.ruling(u).Missing(req) {
		lines = append(lines, f.Name+": "+f.Value)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// noteCookies has the jar look at an answer. What a rule's credentials have brought
// is nobody else's.
func (p *Proxy) noteCookies(method string, u *url.URL, req, answer http.Header) {
	if p.addedCredentials(u, req) != "" {
		req = http.Header{"Authorization": {"of a rule"}}
	}
	p.jar.note(method, u, req, answer)
}
