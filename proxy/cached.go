package proxy

import (
	"net/http"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// serveCached answers a request that may be answered from the store.
func (p *Proxy) serveCached(w http.ResponseWriter, q *query) {
	if p.refuseUnnamed(w, q) || p.servePinned(w, q) {
		return
	}
	// More than one round is needed only when another process, or another
	// request, has stored the answer meanwhile, or is about to.
	for {
		e, variant, err := p.find(q)
		var use policy.Use
		why, cause := "", CauseNew
		if err == nil {
			use = p.judge(q, e)
			why = use.Reason
		} else {
			why, cause = p.explain(q, err)
		}
		switch {
		case err == nil && (use.Fresh || p.Offline):
			p.warm(q, e, variant, use)
			p.serveEntry(w, q, e, Hit, use)
			return
		case err == nil && use.Refresh && q.body == nil:
			p.refresh(q, variant, &e.Meta)
			p.serveEntry(w, q, e, Hit, use)
			return
		case err != nil && p.servePublic(w, q):
			return
		case err != nil && p.servePart(w, q, variant):
			return
		case p.Offline:
			if q.standIn(w, "offline") || p.serveNoted(w, q, variant) || p.serveTile(w, q) || p.serveIndex(w, q) {
				return
			}
			p.refuse(w, q, "offline: "+why)
			return
		case policy.OnlyIfCached(q.r.Header) && q.terms.Mode == policy.RFC9111:
			closeEntry(e)
			p.serveNotCached(w, q)
			return
		case q.r.Method == http.MethodHead:
			p.serveHead(w, q, variant, e, use)
			return
		}
		if p.serveFetched(w, q, asked{variant: variant, old: e, use: use, why: why, cause: cause}) {
			return
		}
	}
}

// servePublic answers a request with credentials as one without, where that is
// as good. It reports false where it is not.
func (p *Proxy) servePublic(w http.ResponseWriter, q *query) bool {
	e, use, ok := p.findPublic(q)
	if ok {
		p.serveEntry(w, q, e, Hit, use)
	}
	return ok
}

// asked is why and with what upstream is asked.
type asked struct {
	variant string
	old     *store.Entry // the stale answer, nil without
	use     policy.Use   // of old
	why     string
	cause   Cause // why nothing was found
}

// serveFetched asks upstream, together with all others that want the same now.
// It reports false when the store should be looked at again.
func (p *Proxy) serveFetched(w http.ResponseWriter, q *query, a asked) bool {
	f, leads := p.join(q, a)
	defer f.leave()
	q.x.lively.stage.join(f, leads)
	defer q.x.lively.stage.leave()
	if !f.await(w, q, leads) {
		closeEntry(a.old)
		q.x.finish(Error, "the client went away", 0)
		// One that has only ended its sending side would get an empty 200.
		panic(http.ErrAbortHandler)
	}
	switch f.result {
	case flightStored:
		closeEntry(a.old)
		return false
	case flightNotModified:
		closeEntry(a.old)
		return p.serveRevalidated(w, q)
	case flightFailed:
		if a.old != nil && a.use.Standby {
			a.use.Reason = "upstream failed: " + f.err.Error()
			p.serveEntry(w, q, a.old, Stale, a.use)
			return true
		}
		closeEntry(a.old)
		if q.standIn(w, "upstream failed: "+f.err.Error()) {
			return true
		}
		q.x.finish(Error, f.err.Error(), upstreamError(w, q, f.err))
		return true
	}
	closeEntry(a.old)
	return p.serveAnswer(w, q, f, leads, a)
}

// serveAnswer serves what upstream has answered.
func (p *Proxy) serveAnswer(w http.ResponseWriter, q *query, f *flight, leads bool, a asked) bool {
	switch {
	case f.result == flightKept && !f.answers(q):
		// It was selected by other values than this request has.
		q.learned = f.selecting()
		return false
	case f.result == flightKept && !q.whole && p.farRange(q.r, f.length):
		return p.fetchPart(w, q, a.variant)
	case f.result == flightKept:
		p.serveFlight(w, q, f, leads, a)
	case f.result == flightUnkept && q.terms.Failing(f.status) && q.standIn(w, "upstream failed: "+f.keep.Reason):
	case leads && f.claim():
		p.serveUnkept(w, q, f)
	default:
		// Somebody else's answer, and not for sharing.
		p.pass(w, q, f.keep.Reason)
	}
	return true
}

// refresh asks upstream for what has just been served stale.
func (p *Proxy) refresh(q *query, variant string, old *store.Meta) {
	f, leads := p.join(q, asked{variant: variant, old: &store.Entry{Meta: *old}})
	if !leads {
		f.leave()
		return
	}
	p.flights.running.Go(func() {
		<-f.ready
		f.mu.Lock()
		f.tail.idle++ // nobody reads
		f.mu.Unlock()
		f.whole()
		f.leave()
	})
}

func closeEntry(e *store.Entry) {
	if e != nil {
		e.Close()
	}
}

// serveRevalidated serves what a 304 has just confirmed.
func (p *Proxy) serveRevalidated(w http.ResponseWriter, q *query) bool {
	e, _, err := p.find(q)
	if err != nil {
		return false
	}
	p.serveEntry(w, q, e, Revalidated, policy.Use{Reason: "304 Not Modified", Age: -1})
	return true
}

// serveNotCached is the answer to only-if-cached (RFC 9111 section 5.2.1.7).
func (p *Proxy) serveNotCached(w http.ResponseWriter, q *query) {
	q.own = true
	mark(w.Header(), fwdMiss+"; detail=only-if-cached")
	http.Error(w, "cachex: not in the cache, and the client wants nothing else", http.StatusGatewayTimeout)
	q.x.finish(Refused, "only-if-cached", http.StatusGatewayTimeout)
}

// serveIndex redirects /name to /name/ where only /name/index.html is kept, as
// servers of such trees do: links in the document are relative to the folder.
func (p *Proxy) serveIndex(w http.ResponseWriter, q *query) bool {
	if !p.Store.Index(q.key) {
		return false
	}
	to := *q.url
	to.Path += "/"
	if to.RawPath != "" {
		to.RawPath += "/"
	}
	w.Header().Set("Location", to.EscapedPath())
	mark(w.Header(), "hit")
	w.WriteHeader(http.StatusMovedPermanently)
	q.x.finish(Hit, "folder with an index", http.StatusMovedPermanently)
	return true
}
