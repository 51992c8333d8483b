package proxy

import (
	"strings"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// findAcceptable looks, offline, for another representation than the one that a
// request prefers, if it accepts that as well: another version of a client may
// have fetched it. npm's full document stands in for the short one, a list of
// PyPI in HTML for one in JSON, and a manifest for one whose client names more
// media types.
func (p *Proxy) findAcceptable(q *query) (*store.Entry, string, bool) {
	if q.body != nil {
		return nil, "", false
	}
	credentials := p.credentialsLabel(q.url, q.r.Header)
	for _, v := range p.Store.Variants(q.key) {
		if !representation(v, credentials) {
			continue
		}
		e, err := p.Store.Get(q.key, v)
		if err != nil {
			continue
		}
		delete(e.Vary, "accept")
		if e.File != nil && !e.Own && policy.Accepts(q.r.Header, e.Header.Get("Content-Type")) &&
			policy.Selects(e.Vary, e.Header, q.r.Header) {
			if e, _, err := p.usable(q, e, v); err == nil {
				return e, v, true
			}
			continue
		}
		e.Close()
	}
	return nil, "", false
}

// representation tells whether a variant is one by media type, for the same
// credentials.
func representation(variant, credentials string) bool {
	var form string
	switch {
	case credentials == "":
		form = variant
	case variant == credentials:
	default:
		var ok bool
		if form, ok = strings.CutSuffix(variant, ","+credentials); !ok {
			return false
		}
	}
	return form == "" || policy.ByMediaType(form) && !strings.Contains(form, ",")
}
