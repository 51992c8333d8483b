package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// query is a request as the cache sees it.
type query struct {
	r   *http.Request
	url *url.URL // as asked for, signature included
	key store.Key
	// base is the variant that the request alone determines. Answers that vary
	// by more stand beside it (see find).
	base string
	// body is that of a POST that only reads, nil otherwise.
	body []byte
	// fixed is set where the body of the request determines the answer.
	fixed bool
	// sha256 is what the body must have to be kept, "" when unknown. Nothing but
	// a 200 is kept then.
	sha256 string
	// instead answers when nothing is kept and upstream is not asked or failed,
	// and tells whether it did. nil where nothing can.
	instead func(w http.ResponseWriter, why string) bool
	x       *exchange
}

func (p *Proxy) newQuery(r *http.Request, u *url.URL) *query {
	q := &query{r: r, url: u, x: p.beginURL(r.Method, u)}
	q.key = store.KeyOf(policy.Unsigned(u))
	q.base = policy.Representation(u, r.Header)
	if secret := policy.Credentials(r.Header); secret != "" {
		q.base = joinLabels(q.base, "auth-"+p.Store.Hash(secret))
	}
	return q
}

// joinLabels makes one variant of several.
func joinLabels(labels ...string) string {
	var kept []string
	for _, l := range labels {
		if l != "" {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, ",")
}

// find opens the kept answer for a query. The answer at the base variant says
// which request fields it was selected by; a request with other values has its
// answer beside it.
func (p *Proxy) find(q *query) (*store.Entry, string, error) {
	e, err := p.Store.Get(q.key, q.base)
	variant := q.base
	if err == nil && len(e.Vary) > 0 && !selects(e.Vary, q.r.Header) {
		variant = joinLabels(q.base, policy.VaryLabel(policy.Selected(fieldNames(e.Vary), q.r.Header)))
		e.Close()
		e, err = p.Store.Get(q.key, variant)
	}
	if err != nil {
		return nil, variant, err
	}
	if q.url.Scheme == "https" && !e.Own && e.Plain() {
		e.Close()
		return nil, variant, &store.MissError{Reason: "kept from plain http"}
	}
	return e, variant, nil
}

// selects tells whether a request has the values that selected an answer.
func selects(vary map[string]string, req http.Header) bool {
	for name, v := range policy.Selected(fieldNames(vary), req) {
		if vary[name] != v {
			return false
		}
	}
	return true
}

func fieldNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	return names
}

// judge says how a kept answer may be used.
func (p *Proxy) judge(q *query, e *store.Entry) policy.Use {
	if !e.Own && !e.Received.Before(q.x.ex.Start) {
		// Someone else asked for it while this request waited: what this one
		// would have got itself is no newer.
		return policy.Use{Fresh: true, Reason: "fetched meanwhile"}
	}
	if q.body != nil && !e.Own {
		if q.fixed {
			return policy.Use{Fresh: true, Reason: "artifact: same question"}
		}
		return policy.Use{Reason: "stale: the question asks for the newest"}
	}
	u := p.Policy.Judge(q.r.Header, policy.Answer{
		URL: q.url, Status: e.Status, Header: e.Header,
		Requested: e.Requested, Received: e.Received, Own: e.Own,
	}, time.Now())
	if u.Fresh && !e.Own && isRedirect(e.Status) && !p.hasTarget(q, e) {
		return policy.Use{Reason: "stale: what it redirects to is not kept"}
	}
	return u
}

func isRedirect(status int) bool {
	return status >= 300 && status < 400 && status != http.StatusNotModified
}

// hasTarget tells whether a redirect's target is kept. A kept redirect whose
// signed target is not leads nowhere (ECOSYSTEMS.md 2.4): its signature was a
// secret and has expired.
func (p *Proxy) hasTarget(q *query, e *store.Entry) bool {
	to, err := q.url.Parse(e.Header.Get("Location"))
	if err != nil {
		return false
	}
	t, err := p.Store.Get(store.KeyOf(to), "")
	if err != nil {
		return false
	}
	t.Close()
	return true
}
