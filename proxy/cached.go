package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// serveCached answers a request that may be answered from the store.
func (p *Proxy) serveCached(w http.ResponseWriter, q *query) {
	// More than one round is needed only when another process, or another
	// request, has stored the answer meanwhile.
	for {
		e, variant, err := p.find(q)
		var use policy.Use
		if err == nil {
			use = p.judge(q, e)
		}
		switch {
		case err == nil && (use.Fresh || p.Offline):
			p.serveEntry(w, q, e, Hit, use.Reason)
			return
		case p.Offline:
			if q.standIn(w, "offline") || p.serveIndex(w, q) {
				return
			}
			p.refuse(w, q, "offline: "+err.Error())
			return
		case err != nil && q.r.Method == http.MethodHead:
			p.pass(w, q, "HEAD of what is not in the cache")
			return
		}
		why := use.Reason
		if err != nil {
			why = err.Error()
		}
		if !p.serveFetched(w, q, variant, e, why) {
			continue
		}
		return
	}
}

// serveFetched asks upstream, together with all others that want the same now.
// old is the stale answer or nil. It reports false when the store should be
// looked at again.
func (p *Proxy) serveFetched(w http.ResponseWriter, q *query, variant string, old *store.Entry, why string) bool {
	f, leads := p.join(q, variant, old)
	defer f.leave()
	select {
	case <-f.ready:
	case <-q.r.Context().Done():
		closeEntry(old)
		q.x.finish(Error, "the client went away", 0)
		return true
	}
	switch f.result {
	case flightStored:
		closeEntry(old)
		return false
	case flightNotModified:
		closeEntry(old)
		return p.serveRevalidated(w, q, f)
	case flightFailed:
		if old != nil {
			p.serveEntry(w, q, old, Stale, "upstream failed: "+f.err.Error())
			return true
		}
		if q.standIn(w, "upstream failed: "+f.err.Error()) {
			return true
		}
		q.x.finish(Error, f.err.Error(), upstreamError(w, q.url, f.err))
		return true
	}
	closeEntry(old)
	if f.result == flightKept && f.answers(q) {
		if farRange(q.r, f.length) {
			p.pass(w, q, "part of a large file that is not in the cache")
			return true
		}
		p.serveFlight(w, q, f, why)
		return true
	}
	if f.status >= 500 && q.standIn(w, "upstream failed: "+f.keep.Reason) {
		return true
	}
	if leads && f.claim() {
		p.serveUnkept(w, q, f)
		return true
	}
	// Somebody else's answer, and not for sharing.
	p.pass(w, q, f.keep.Reason)
	return true
}

func closeEntry(e *store.Entry) {
	if e != nil {
		e.Close()
	}
}

// serveRevalidated serves what a 304 has just confirmed.
func (p *Proxy) serveRevalidated(w http.ResponseWriter, q *query, f *flight) bool {
	e, _, err := p.find(q)
	if err != nil {
		return false
	}
	p.serveEntry(w, q, e, Revalidated, "304 Not Modified")
	return true
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
	w.Header().Set("Cache-Status", "cachex; hit")
	w.WriteHeader(http.StatusMovedPermanently)
	q.x.finish(Hit, "folder with an index", http.StatusMovedPermanently)
	return true
}

// serveEntry answers from the store, with ranges and conditions (RFC 9110
// sections 13 and 14), and closes the entry.
func (p *Proxy) serveEntry(w http.ResponseWriter, q *query, e *store.Entry, o Outcome, reason string) {
	defer e.Close()
	x := q.x
	x.fetched = time.Duration(e.FetchMS) * time.Millisecond
	x.ex.SHA256 = e.SHA256
	copyHeader(w.Header(), e.Header)
	w.Header().Set("Cache-Status", "cachex; "+cacheStatus(o))
	out := &responseMeter{ResponseWriter: w}
	if e.File == nil {
		if e.Own {
			http.Error(out, "cachex: "+http.StatusText(e.Status), e.Status)
		} else {
			serveText(out, q.r, e.Status, e.Body)
		}
	} else {
		modified, _ := http.ParseTime(e.Header.Get("Last-Modified"))
		serveContent(out, q.r, modified, e.File)
	}
	x.bytes = out.n
	x.finish(o, reason, out.status)
}

func serveText(w http.ResponseWriter, r *http.Request, status int, text []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(text)
	}
}

// serveContent is http.ServeContent without its guess at a media type: what
// upstream did not say, cachex does not say either.
func serveContent(w http.ResponseWriter, r *http.Request, modified time.Time, content io.ReadSeeker) {
	if len(w.Header().Values("Content-Type")) == 0 {
		w.Header()["Content-Type"] = nil
	}
	if r.Method == http.MethodPost { // the answer to a question, not a document
		r = r.WithContext(r.Context())
		r.Header = http.Header{}
	}
	http.ServeContent(w, r, "", modified, content)
}

// cacheStatus is the parameter that RFC 9211 has for an outcome.
func cacheStatus(o Outcome) string {
	switch o {
	case Hit:
		return "hit"
	case Revalidated:
		return "hit; fwd=stale; fwd-status=304"
	case Stale:
		return "hit; fwd=stale; detail=upstream-failed"
	case Miss:
		return "fwd=uri-miss; stored"
	}
	return "fwd=bypass"
}

func copyHeader(to, from http.Header) {
	for name, values := range from {
		to[name] = append([]string(nil), values...)
	}
}

// responseMeter notes status and size of what is sent.
type responseMeter struct {
	http.ResponseWriter
	status int
	n      int64
}

// WriteHeader notes the final status.
func (m *responseMeter) WriteHeader(status int) {
	if m.status < 200 {
		m.status = status
	}
	m.ResponseWriter.WriteHeader(status)
}

func (m *responseMeter) Write(b []byte) (int, error) {
	if m.status < 200 {
		m.status = http.StatusOK
	}
	n, err := m.ResponseWriter.Write(b)
	m.n += int64(n)
	return n, err
}

// ReadFrom keeps net/http's way of sending files within the kernel.
func (m *responseMeter) ReadFrom(r io.Reader) (int64, error) {
	if m.status < 200 {
		m.status = http.StatusOK
	}
	n, err := io.Copy(m.ResponseWriter, r)
	m.n += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (m *responseMeter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// serveFlight streams an answer while it arrives and is kept.
func (p *Proxy) serveFlight(w http.ResponseWriter, q *query, f *flight, reason string) {
	x := q.x
	copyHeader(w.Header(), f.header)
	w.Header().Set("Cache-Status", "cachex; "+cacheStatus(Miss))
	out := &responseMeter{ResponseWriter: w}
	body := f.reader(q.r.Context())
	err := error(nil)
	switch {
	case f.text != nil || f.status != http.StatusOK:
		serveText(out, q.r, f.status, f.text)
	case f.length >= 0 && wantsPart(q.r):
		modified, _ := http.ParseTime(f.header.Get("Last-Modified"))
		serveContent(out, q.r, modified, body)
		err = body.err
	default:
		err = stream(out, body, f.length)
	}
	x.bytes = out.n
	x.network = f.network()
	x.ex.SHA256 = f.digest()
	if err != nil {
		x.finish(Error, err.Error(), out.status)
		if q.r.Context().Err() == nil {
			// The client must see that the answer is not whole.
			panic(http.ErrAbortHandler)
		}
		return
	}
	o := Miss
	if f.partials != nil && x.network == 0 {
		// Its bytes are in the account of the process that fetched them.
		o, reason = Hit, "downloaded by another run"
	} else if keepErr := f.keepError(); keepErr != nil {
		o, reason = Pass, "could not be kept: "+keepErr.Error()
	}
	x.finish(o, reason, out.status)
}

func wantsPart(r *http.Request) bool {
	for _, name := range []string{"Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

// stream copies a body that is still arriving, and sends what there is
// whenever it has to wait.
func stream(w *responseMeter, body *flightReader, length int64) error {
	if length >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w.ResponseWriter)
	buf := make([]byte, 64<<10)
	for {
		if body.wouldWait() {
			if err := flush.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return err
			}
		}
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// serveUnkept hands the one client that asked for it an answer that nobody
// else gets.
func (p *Proxy) serveUnkept(w http.ResponseWriter, q *query, f *flight) {
	resp := f.resp
	defer resp.Body.Close()
	h := policy.KeptHeader(resp.Header)
	copyHeader(w.Header(), h)
	for _, name := range []string{"Set-Cookie", "Location", "Content-Length"} {
		if v := resp.Header.Values(name); len(v) > 0 {
			w.Header()[name] = v
		}
	}
	w.Header().Set("Cache-Status", "cachex; fwd=uri-miss")
	out := &responseMeter{ResponseWriter: w}
	out.WriteHeader(resp.StatusCode)
	flush := http.NewResponseController(w)
	buf := make([]byte, 64<<10)
	var err error
	for err == nil {
		var n int
		n, err = resp.Body.Read(buf)
		if n > 0 {
			if _, werr := out.Write(buf[:n]); werr != nil {
				err = werr
				break
			}
			flush.Flush()
		}
	}
	q.x.bytes, q.x.network = out.n, out.n
	if err != io.EOF {
		q.x.finish(Error, err.Error(), resp.StatusCode)
		if !errors.Is(q.r.Context().Err(), context.Canceled) {
			panic(http.ErrAbortHandler)
		}
		return
	}
	q.x.finish(Pass, f.keep.Reason, resp.StatusCode)
}
