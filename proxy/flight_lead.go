package proxy

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// fetch is what a flight asks upstream.
type fetch struct {
	req     *http.Request
	url     *url.URL // as asked for, signature included
	terms   policy.Terms
	post    bool
	base    string // the main variant
	variant string
	sha256  string      // of query
	named   string      // of query
	old     *store.Meta // of the stale answer, nil without
	standby bool        // old may stand in when upstream fails
	lock    *store.Lock
	parts   *missing // what is kept of the body already, nil for nothing
}

// lead fetches the answer. It holds the document's lock, so that no other
// process does the same.
func (f *flight) lead(want fetch) {
	stored := func() bool { return f.storedMeanwhile(want.variant, want.old) }
	lock, partial, err := f.lockOrFollow(want.variant, stored)
	if partial != nil && (partial.Whole() || !f.p.reusable(want.terms, &partial.Meta, want.url, want.req.Header)) {
		// Who got all of it may be asking again.
		partial.Close()
		partial = nil
		lock, err = f.p.Store.Lock(f.ctx, f.id.key, want.variant)
	}
	switch {
	case err != nil:
		f.fail(err)
		return
	case partial != nil:
		f.lookOn(want, partial)
		return
	case lock == nil:
		f.finish(flightStored)
		return
	}
	defer lock.Unlock()
	want.lock = lock
	if stored() {
		f.finish(flightStored)
		return
	}
	f.ask(want)
}

// ask sends the request and deals with the answer.
func (f *flight) ask(want fetch) {
	p, old := f.p, want.old
	tries := maxTries
	if old != nil && want.standby {
		tries = maxTriesBeforeStale
	}
	if old != nil && (f.id.scheme == "https" || old.Plain()) {
		setConditions(want.req.Header, old.Header)
	}
	if old == nil {
		want.parts = f.partsFor(want)
		defer want.parts.Close()
	}
	m := store.Meta{URL: f.id.key.URL(f.id.scheme), Requested: p.now()}
	resp, err := p.fetch(want.req, tries)
	if err != nil {
		f.fail(err)
		return
	}
	m.Received = p.now()
	f.mu.Lock()
	f.came = m.Received
	f.mu.Unlock()
	if g, ok := bodyOf(resp); ok && (strongValidator(resp.Header) == "" || resp.Header.Get("Content-Encoding") != "") {
		g.after *= patience
	}
	switch {
	case old != nil && resp.StatusCode == http.StatusNotModified:
		resp.Body.Close()
		f.freshen(want.variant, *old, resp, m)
		return
	case old != nil && want.standby && want.terms.Failing(resp.StatusCode):
		resp.Body.Close()
		f.fail(errors.New(resp.Status))
		return
	case want.parts != nil && !want.parts.answered(resp):
		resp.Body.Close()
		p.Store.DropParts(f.id.key, want.variant)
		clearRange(want.req.Header)
		f.ask(want) // once: there are no parts any more
		return
	}
	f.receive(want, resp, &m)
}

// fail ends a flight that has no answer.
func (f *flight) fail(err error) {
	f.err = err
	f.finish(flightFailed)
}

// storedMeanwhile tells whether somebody else stored the answer while this
// flight waited for the lock.
func (f *flight) storedMeanwhile(variant string, old *store.Meta) bool {
	e, err := f.p.Store.Get(f.id.key, variant)
	if err != nil {
		return false
	}
	defer e.Close()
	if f.id.scheme == "https" && !e.Own && e.Plain() || e.Invalid {
		return false
	}
	return old == nil || e.Received.After(old.Received)
}

// freshen updates the stored header after a 304 (RFC 9111 section 4.3.4).
func (f *flight) freshen(variant string, old store.Meta, resp *http.Response, m store.Meta) {
	if err := f.p.freshen(f.id.key, variant, old, resp.Header, m); err != nil {
		f.p.Log.Debug("freshen", "err", err)
	}
	f.finish(flightNotModified)
}

// freshen gives a kept answer the header of a newer one to the same bytes (RFC
// 9111 section 3.2). m says when that one came.
func (p *Proxy) freshen(k store.Key, variant string, old store.Meta, newer http.Header, m store.Meta) error {
	old.Requested, old.Received, old.Invalid = m.Requested, m.Received, false
	old.Header = old.Header.Clone()
	if old.Header == nil {
		old.Header = http.Header{}
	}
	old.Header.Del("Age") // the old answer's
	for name, values := range policy.KeptHeader(newer) {
		switch name {
		case "Content-Encoding", "Content-Range", "Content-Length":
			continue // they describe the bytes as they came, which stay
		}
		old.Header[name] = values
	}
	p.cookies.note(p.Policy, &old, newer)
	return p.Store.Touch(k, variant, old)
}

// receive decides what becomes of an answer, publishes its header and takes
// its body.
func (f *flight) receive(want fetch, resp *http.Response, m *store.Meta) {
	p, req := f.p, want.req
	p.noteCookies(req.Method, want.url, req.Header, resp.Header)
	f.keep = f.judge(want, resp)
	if f.keep.OK && givesToken(want.url, resp) {
		f.keep = policy.Keep{Reason: "token"}
	}
	coded := decode(req, resp)
	if !f.keep.OK {
		f.unkept(resp)
		return
	}
	m.Status, m.Header = resp.StatusCode, policy.KeptHeader(resp.Header)
	m.Vary = policy.Selected(want.terms.Selecting(resp.Header), req.Header)
	p.cookies.note(p.Policy, m, resp.Header)
	want.variant = f.place(want, m.Vary, req.Header)
	f.status, f.header, f.vary = m.Status, liveHeader(m.Header, resp.Header), m.Vary
	f.meta, f.cookies = copyOf(m), cookieFields(resp.Header)
	if !m.HasFile() {
		f.takeText(want, resp, m)
		return
	}
	f.setLength(resp.ContentLength)
	var err error
	f.writer, err = p.Store.Create()
	if err != nil {
		f.keep = policy.Keep{Reason: notWritten + err.Error()}
		f.unkept(resp) // whoever claims the body closes it
		return
	}
	defer resp.Body.Close()
	f.file = f.writer.File()
	f.verify = policy.NewVerifier(want.digests(resp.Header, coded))
	if want.parts != nil {
		f.local = want.parts.local
	}
	f.coded = coded
	f.finish(flightKept)
	f.takeBody(want, resp.Body, m)
}

// copyOf is a copy that does not change when the body's metadata is filled in.
func copyOf(m *store.Meta) *store.Meta {
	c := *m
	return &c
}

// judge says whether an answer is kept.
func (f *flight) judge(want fetch, resp *http.Response) policy.Keep {
	keep := want.terms.Storable(want.req.Header, want.url, resp.StatusCode, resp.Header)
	switch {
	case !keep.OK:
	case (want.post || want.sha256 != "") && resp.StatusCode != http.StatusOK:
		keep = policy.Keep{Reason: resp.Status}
	case lengthUnknown(resp) && want.terms.Mode != policy.RFC9111:
		// By RFC 9112 section 8 the end of the connection is that of the
		// answer. A build can do without such answers better than with half.
		keep = policy.Keep{Reason: "its end cannot be told from a cut"}
	case f.p.leadsBack(want.url, resp.StatusCode, resp.Header):
		keep = policy.Keep{Reason: "redirect to itself"}
	case f.p.Store.ReadOnly():
		keep = policy.Keep{Reason: store.ErrReadOnly.Error()}
	case want.old == nil:
	case f.id.scheme == "http" && !want.old.Plain():
		// Who is on the way could otherwise take the document away, or send it
		// to itself for ever (a redirect to https on the same path).
		keep = policy.Keep{Reason: "kept from https"}
	case !want.terms.Replaces(resp.StatusCode, want.old.Status):
		keep = policy.Keep{Reason: "a refusal in place of what is kept"}
	}
	return keep
}

// publish lets other processes read the body while it arrives.
func (f *flight) publish(want fetch, m *store.Meta) {
	if !f.keep.OK {
		return // the bytes are for those who have begun to read them
	}
	if err := want.lock.Publish(f.writer, want.variant, m, f.length); err != nil {
		f.p.Log.Debug("publish", "err", err) // they wait for the end then
	}
}

// liveHeader is the kept header with redirect and links as they came: the
// signatures of their targets are for the clients of today.
func liveHeader(kept, got http.Header) http.Header {
	h := kept
	for _, name := range []string{"Location", "Link"} {
		if v := got.Values(name); len(v) > 0 && !slices.Equal(v, h.Values(name)) {
			h = h.Clone()
			h[name] = v
		}
	}
	return h
}

func (f *flight) setLength(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.length = n
}

// unkept leaves the body to the request that claims it, and keeps the lock's
// goroutine out of it.
func (f *flight) unkept(resp *http.Response) {
	f.resp, f.status = resp, resp.StatusCode
	f.finish(flightUnkept)
}

// place is the variant under which an answer is kept: the base if that is free
// or holds the same selection, else one beside it. The lock covers it then.
func (f *flight) place(want fetch, vary map[string]string, req http.Header) string {
	variant := want.base
	if len(vary) > 0 {
		e, err := f.p.Store.Get(f.id.key, want.base)
		if err == nil {
			if !e.Own && len(e.Vary) > 0 && !policy.Selects(e.Vary, http.Header{}, req) {
				variant = joinLabels(want.base, policy.VaryLabel(vary))
			}
			e.Close()
		}
	}
	if variant != want.base {
		if err := f.p.Store.AddVaryBy(f.id.key, want.base, slices.Sorted(maps.Keys(vary))); err != nil {
			f.p.Log.Debug("vary", "err", err)
		}
	}
	if variant != want.variant {
		if err := want.lock.Cover(f.id.key, variant); err != nil {
			f.p.Log.Debug("lock", "err", err)
		}
	}
	return variant
}
