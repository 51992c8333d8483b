package proxy

import (
	"net/http"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// HEAD is answered from the kept answer to a GET. Where there is none the
// answer to HEAD itself is kept, as a note without a file: some clients resolve
// a name by HEAD and then fetch something else.

// serveHead answers a HEAD request that no fresh answer to a GET is kept for.
// It closes e, the stale one, which may be nil.
func (p *Proxy) serveHead(w http.ResponseWriter, q *query, variant string, e *store.Entry, use policy.Use) {
	if e == nil {
		if m, err := p.note(q, variant); err == nil {
			if noted := q.terms.Judge(q.r.Header, p.answerOf(q, m, false), p.now()); noted.Fresh {
				p.serveNote(w, q, m, Hit, noted)
				return
			}
		}
	}
	req := p.outgoing(withStage(q.r.Context(), &q.x.lively.stage), q)
	req.Header.Set("Accept-Encoding", "identity")
	tries := maxTries
	if e != nil {
		setConditions(req.Header, e.Header)
		if use.Standby {
			tries = maxTriesBeforeStale
		}
	}
	m := store.Meta{URL: q.key.URL(q.url.Scheme), Requested: p.now()}
	resp, err := p.fetch(req, tries)
	failed := err != nil || q.terms.Failing(resp.StatusCode)
	if err == nil {
		resp.Body.Close()
		m.Received = p.now()
	}
	switch {
	case failed && e != nil && use.Standby:
		use.Reason = "upstream failed: " + failure(resp, err)
		p.serveEntry(w, q, e, Stale, use)
		return
	case err != nil:
		closeEntry(e)
		p.serveNotedOrFail(w, q, variant, err)
		return
	}
	p.takeHead(w, q, variant, e, resp, m)
}

// note is a kept answer to HEAD that the request may get: not what came over
// plain http when it is encrypted.
func (p *Proxy) note(q *query, variant string) (*store.Meta, error) {
	m, err := p.Store.Note(q.key, variant)
	if err == nil && q.url.Scheme == "https" && m.Plain() {
		return nil, &store.MissError{Reason: "kept from plain http", Why: store.FromPlain}
	}
	return m, err
}

func failure(resp *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	return resp.Status
}

// serveNotedOrFail serves a stale note, or says what failed.
func (p *Proxy) serveNotedOrFail(w http.ResponseWriter, q *query, variant string, err error) {
	if m, gone := p.note(q, variant); gone == nil {
		use := q.terms.Judge(q.r.Header, p.answerOf(q, m, false), p.now())
		if use.Standby {
			use.Reason = "upstream failed: " + err.Error()
			p.serveNote(w, q, m, Stale, use)
			return
		}
	}
	q.x.finish(Error, err.Error(), upstreamError(w, q, err))
}

// takeHead serves the answer to a HEAD, updates what is kept by it (RFC 9111
// section 4.3.5) and closes e.
func (p *Proxy) takeHead(w http.ResponseWriter, q *query, variant string, e *store.Entry, resp *http.Response, m store.Meta) {
	if e != nil {
		same := resp.StatusCode == http.StatusNotModified || resp.StatusCode == e.Status && describes(resp, e)
		if same && q.url.Scheme == "http" && !e.Plain() {
			// It says nothing about what came encrypted.
			p.serveEntry(w, q, e, Revalidated, policy.Use{Reason: resp.Status, Age: -1})
			return
		}
		if same {
			if err := p.freshen(q.key, variant, e.Meta, resp.Header, m); err != nil {
				p.Log.Debug("freshen", "err", err)
			}
			if now, _, err := p.find(q); err == nil {
				e.Close()
				e = now
			}
			p.serveEntry(w, q, e, Revalidated, policy.Use{Reason: resp.Status, Age: -1})
			return
		}
		e.Close()
		if err := p.Store.Invalidate(q.key); err != nil {
			p.Log.Debug("invalidate", "err", err)
		}
	}
	m.Status, m.Header = resp.StatusCode, policy.KeptHeader(resp.Header)
	if v := resp.Header.Values("Content-Length"); len(v) > 0 {
		m.Header["Content-Length"] = v
	}
	keep := q.terms.Storable(q.r.Header, q.url, resp.StatusCode, resp.Header)
	if keep.OK {
		if err := p.Store.PutNote(q.key, variant, &m); err != nil {
			keep = policy.Keep{Reason: notWritten + err.Error()}
		}
	}
	copyHeader(w.Header(), m.Header)
	copyHeader(w.Header(), cookieFields(resp.Header))
	if v := resp.Header.Values("Location"); len(v) > 0 {
		w.Header()["Location"] = v
	}
	status, o := fwdMiss, Pass
	if keep.OK {
		status, o = fwdMiss+"; stored", Miss
	}
	mark(w.Header(), status)
	w.WriteHeader(resp.StatusCode)
	q.x.finish(o, keep.Reason, resp.StatusCode)
}

// describes tells whether the answer to a HEAD is about the body that is kept.
func describes(resp *http.Response, e *store.Entry) bool {
	for _, name := range []string{"ETag", "Last-Modified"} {
		if v := resp.Header.Get(name); v != "" && v != e.Header.Get(name) {
			return false
		}
	}
	return resp.ContentLength < 0 || e.File == nil || resp.ContentLength == e.Size
}

// serveNote serves a kept answer to HEAD.
func (p *Proxy) serveNote(w http.ResponseWriter, q *query, m *store.Meta, o Outcome, use policy.Use) {
	q.x.fetched = time.Duration(m.FetchMS) * time.Millisecond
	p.head(w.Header(), q, m, use.Age)
	mark(w.Header(), hitStatus(o))
	w.WriteHeader(m.Status)
	q.x.finish(o, use.Reason, m.Status)
}

// serveNoted answers an offline HEAD from a note. It reports false when there
// is none.
func (p *Proxy) serveNoted(w http.ResponseWriter, q *query, variant string) bool {
	if q.r.Method != http.MethodHead {
		return false
	}
	m, err := p.note(q, variant)
	if err != nil {
		return false
	}
	p.serveNote(w, q, m, Hit, policy.Use{Reason: "answer to HEAD", Age: -1})
	return true
}
