package proxy

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cachex/proxy/lock"
	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// query is a request as the cache sees it.
type query struct {
	r   *http.Request
	url *url.URL // as asked for, signature included
	key store.Key
	// terms are what answers are judged by, and rule what rules say.
	terms policy.Terms
	rule  policy.Ruling
	// base is the variant that the request alone determines. Answers that vary
	// by more stand beside it (see find).
	base string
	// public is the base for requests without credentials.
	public string
	// learned are the field names that an answer on its way was selected by,
	// by other values than this request's.
	learned []string
	// body is that of a POST that only reads, nil otherwise.
	body []byte
	// fixed is set where the body of the request determines the answer.
	fixed bool
	// sha256 is what the body must have to be kept, "" when unknown. Nothing but
	// a 200 is kept then.
	sha256 string
	// named says where sha256 was read; "" is a batch of LFS.
	named string
	// instead answers when nothing is kept and upstream is not asked or failed,
	// and tells whether it did. nil where nothing can.
	instead func(w http.ResponseWriter, why string) bool
	// whole is set when a part was asked for and upstream sends no parts.
	whole bool
	x     *exchange

	// What a lock asks (locked.go): auth, that there are credentials; question, the
	// label of body; soft, that no bytes can be named; exempt, that it is not the
	// lock's affair.
	auth, soft, exempt bool
	question           string
	want               *lock.Line // what Frozen names, nil before refuseUnnamed
	// partly is set when the client asked for a part, and may go before the whole
	// has come.
	partly bool
	// own is set when the answer is cachex's own: a refusal, or that upstream failed.
	own bool
	// unpinned is set where the client itself compares what it gets with what it
	// has asked for: the objects of a git fetch that do not come from the store.
	unpinned bool
}

func (p *Proxy) newQuery(r *http.Request, u *url.URL) *query {
	q := &query{r: r, url: u, rule: p.ruling(u)}
	q.x = p.beginURL(r.Method, policy.WithoutQuery(u, q.rule.DropQuery))
	q.x.rule = q.rule.Reason
	q.terms = p.termsOf(q.rule, r.Header)
	q.key = p.keyOf(u)
	q.base = policy.Representation(u, r.Header)
	q.public = q.base
	credentials := p.credentialsLabel(u, r.Header)
	q.base, q.auth = joinLabels(q.base, credentials), credentials != ""
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

// find opens the kept answer for a query, and says under which variant it is or
// would be looked for. The answer at the base variant says which request fields
// it was selected by; a request with other values has its answer beside it.
func (p *Proxy) find(q *query) (*store.Entry, string, error) {
	if p.Offline {
		if v := p.coherent(q); v != q.base {
			e, err := p.Store.Get(q.key, v)
			if err == nil {
				return p.usable(q, e, v)
			}
		}
	}
	e, err := p.Store.Get(q.key, q.base)
	if err == nil && policy.Selects(e.Vary, e.Header, q.r.Header) {
		return p.usable(q, e, q.base)
	}
	var sets [][]string
	if err == nil {
		sets = append(e.VaryBy, slices.Sorted(maps.Keys(e.Vary)))
		e.Close()
		err = &store.MissError{Reason: "other variant", Why: store.OtherVariant}
	} else {
		sets = p.Store.VaryBy(q.key, q.base)
	}
	if q.learned != nil {
		sets = append([][]string{q.learned}, sets...)
	}
	variant := q.base
	for i, names := range sets {
		v := joinLabels(q.base, policy.VaryLabel(policy.Selected(names, q.r.Header)))
		if i == 0 {
			variant = v
		}
		e, gone := p.Store.Get(q.key, v)
		if gone != nil {
			continue
		}
		if policy.Selects(e.Vary, e.Header, q.r.Header) {
			return p.usable(q, e, v)
		}
		e.Close()
	}
	if p.Offline {
		if e, v, ok := p.findAcceptable(q); ok {
			return e, v, nil
		}
	}
	return nil, variant, err
}

// findPublic looks for an answer to requests without credentials, which one
// with credentials may have as well: a user's own file, what its URL names by a
// digest, and by RFC 9111 whatever is fresh. Offline it is better than none.
func (p *Proxy) findPublic(q *query) (*store.Entry, policy.Use, bool) {
	if q.public == q.base {
		return nil, policy.Use{}, false
	}
	e, err := p.Store.Get(q.key, q.public)
	if err == nil && !policy.Selects(e.Vary, e.Header, q.r.Header) {
		e.Close()
		return nil, policy.Use{}, false
	}
	if err == nil {
		e, _, err = p.usable(q, e, q.public)
	}
	if err != nil {
		return nil, policy.Use{}, false
	}
	use := p.judge(q, e)
	named := e.Status == http.StatusOK && len(policy.Digests(q.url, nil, false)) > 0
	if e.Own || use.Fresh && named || use.Fresh && q.terms.Mode == policy.RFC9111 || p.Offline {
		return e, use, true
	}
	e.Close()
	return nil, policy.Use{}, false
}

// usable keeps answers that came over plain http from encrypted requests.
func (p *Proxy) usable(q *query, e *store.Entry, variant string) (*store.Entry, string, error) {
	if q.url.Scheme == "https" && !e.Own && e.Plain() {
		e.Close()
		return nil, variant, &store.MissError{Reason: "kept from plain http", Why: store.FromPlain}
	}
	return e, variant, nil
}

// judge says how a kept answer may be used.
func (p *Proxy) judge(q *query, e *store.Entry) policy.Use {
	now := p.now()
	if !e.Own && !e.Received.Before(q.x.ex.Start) && !e.Received.After(now) {
		// Someone else asked for it while this request waited: what this one
		// would have got itself is no newer.
		return policy.Use{Fresh: true, Reason: "fetched meanwhile", Age: -1}
	}
	if q.body != nil && !e.Own {
		if q.fixed {
			return policy.Use{Fresh: true, Reason: "artifact: same question", Age: -1}
		}
		return policy.Use{Reason: "stale: the question asks for the newest", Standby: true, Age: -1}
	}
	u := q.terms.Judge(q.r.Header, p.answerOf(q, &e.Meta, e.Own), now)
	if u.Fresh && !e.Own && q.terms.Mode != policy.RFC9111 && isRedirect(e.Status) && !p.hasTarget(q, e) {
		return policy.Use{Reason: "stale: what it redirects to is not kept", Standby: true, Age: u.Age}
	}
	return u
}

func (p *Proxy) answerOf(q *query, m *store.Meta, own bool) policy.Answer {
	return policy.Answer{
		URL: q.url, Status: m.Status, Header: m.Header,
		Requested: m.Requested, Received: m.Received, Own: own, Invalid: m.Invalid,
	}
}

func isRedirect(status int) bool {
	return status >= 300 && status < 400 && status != http.StatusNotModified
}

// maxHops is how many redirects in a row are looked through, as many as clients
// follow at least.
const maxHops = 10

// hasTarget tells whether what a redirect leads to is kept. A kept redirect
// whose signed target is not leads nowhere (ECOSYSTEMS.md 2.4): its signature
// was a secret and has expired. One that leads back to where it came from is a
// server's that waits for a cookie.
func (p *Proxy) hasTarget(q *query, e *store.Entry) bool {
	from, location := q.url, e.Header.Get("Location")
	for range maxHops {
		to, err := from.Parse(location)
		if err != nil {
			return false
		}
		k := p.keyOf(to)
		t, err := p.Store.Get(k, "")
		if err != nil {
			return false
		}
		t.Close()
		if !isRedirect(t.Status) {
			return true
		}
		from, location = to, t.Header.Get("Location")
	}
	return false
}

// leadsBack tells of a redirect to the same document. To https it is another.
func (p *Proxy) leadsBack(u *url.URL, status int, answer http.Header) bool {
	location := answer.Get("Location")
	to, err := u.Parse(location)
	return isRedirect(status) && location != "" && err == nil && to.Scheme == u.Scheme && (store.KeyOf(to) == store.KeyOf(u) || len(p.Rules) > 0 && p.keyOf(to) == p.keyOf(u))
}
