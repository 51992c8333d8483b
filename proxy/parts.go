package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// Parts of large files are fetched and kept as what they are: a hundred bytes
// of a file must not cost gigabytes. A later request for the whole file asks
// for the rest alone (RFC 9111 section 3.4).

// servePart answers a request for a part of a document that is not kept whole,
// from the parts that are, or by asking for it where others are kept already.
// It reports false when there are none, or when it has no answer.
func (p *Proxy) servePart(w http.ResponseWriter, q *query, variant string) bool {
	if q.r.Method != http.MethodGet || q.body != nil || q.whole || q.r.Header.Get("Range") == "" {
		return false
	}
	parts, err := p.Store.Parts(q.key, variant)
	if err != nil {
		return false
	}
	defer parts.Close()
	if q.url.Scheme == "https" && parts.Plain() || !policy.Selects(parts.Vary, parts.Header, q.r.Header) {
		return false
	}
	use := q.terms.Judge(q.r.Header, p.answerOf(q, &parts.Meta, false), p.now())
	span, ok := spanOf(q.r.Header, parts.Total)
	if ok && parts.Covers(span) && (use.Fresh || p.Offline) {
		p.serveKeptPart(w, q, parts, use)
		return true
	}
	return !p.Offline && p.fetchPart(w, q, variant)
}

func (p *Proxy) serveKeptPart(w http.ResponseWriter, q *query, parts *store.Parts, use policy.Use) {
	p.head(w.Header(), q, &parts.Meta, use.Age)
	mark(w.Header(), "hit")
	out := &responseMeter{ResponseWriter: w}
	serveContent(out, q.r, parts.Header, io.NewSectionReader(parts.File, 0, parts.Total))
	q.x.bytes = out.n
	q.x.finish(Hit, use.Reason, out.status)
}

// spanOf is the one span that a Range field asks for.
func spanOf(req http.Header, total int64) (store.Span, bool) {
	from, to, ok := singleRange(req)
	switch {
	case !ok:
	case from < 0: // the last "to" bytes
		return store.Span{From: max(0, total-to), To: total}, to > 0
	case to < 0:
		return store.Span{From: from, To: total}, from < total
	}
	return store.Span{From: from, To: min(to+1, total)}, ok && from < total && from <= to
}

// fetchPart asks upstream for the part alone, and keeps it. It reports false
// when upstream sends the whole document, which is for others to serve.
func (p *Proxy) fetchPart(w http.ResponseWriter, q *query, variant string) bool {
	q.x.lively.stage.leave()
	req := p.outgoing(withStage(q.r.Context(), &q.x.lively.stage), q)
	for _, name := range []string{"Range", "If-Range"} {
		if v := q.r.Header.Get(name); v != "" {
			req.Header.Set(name, v)
		}
	}
	req.Header.Set("Accept-Encoding", "identity")
	m := store.PartsMeta{Meta: store.Meta{URL: q.key.URL(q.url.Scheme), Requested: p.now()}}
	resp, err := p.fetch(req, maxTries)
	if err != nil {
		q.x.finish(Error, err.Error(), upstreamError(w, q, err))
		return true
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		q.whole = true
		return false
	}
	m.Received = p.now()
	part, why := p.createPart(q, req, resp, &m, variant)
	if part != nil {
		defer part.Close()
	}
	copyHeader(w.Header(), policy.KeptHeader(resp.Header))
	copyHeader(w.Header(), cookieFields(resp.Header))
	status := fwdPartial
	if part != nil {
		status += "; stored"
	}
	mark(w.Header(), status)
	out := &responseMeter{ResponseWriter: w}
	body := io.Reader(resp.Body)
	tee := &lenient{w: part}
	if part != nil {
		body = io.TeeReader(resp.Body, tee)
	}
	err = p.stream(out, resp.StatusCode, always{body}, resp.ContentLength)
	q.x.bytes, q.x.network = out.n, out.n
	if part != nil {
		why = p.keepPart(q, part, resp, variant, tee.err)
	}
	p.finishPart(q, why, out.status, err)
	return true
}

// finishPart records a part that was fetched; why is empty when it was kept.
func (p *Proxy) finishPart(q *query, why string, status int, err error) {
	switch {
	case err != nil:
		q.x.finish(Error, err.Error(), status)
		panic(http.ErrAbortHandler)
	case why != "":
		q.x.finish(Pass, why, status)
	default:
		q.x.finish(Miss, "part of a large file", status)
	}
}

// createPart begins to keep a part, or says why not.
func (p *Proxy) createPart(q *query, req *http.Request, resp *http.Response, m *store.PartsMeta, variant string) (*store.PartWriter, string) {
	from, to, total, ok := contentRange(resp.Header)
	switch {
	case resp.StatusCode != http.StatusPartialContent:
		return nil, resp.Status
	case !ok || total < 0 || resp.ContentLength >= 0 && resp.ContentLength != to-from:
		return nil, "its Content-Range is not that of its body"
	case resp.Header.Get("Content-Encoding") != "":
		return nil, "part of a coded body"
	}
	keep := q.terms.Storable(q.r.Header, q.url, http.StatusOK, resp.Header)
	if !keep.OK {
		return nil, keep.Reason
	}
	m.Status, m.Total, m.Validator = http.StatusOK, total, strongValidator(resp.Header)
	m.Header = policy.KeptHeader(resp.Header)
	m.Header.Del("Content-Range")
	m.Vary = policy.Selected(q.terms.Selecting(resp.Header), req.Header)
	w, err := p.Store.CreatePart(q.key, variant, *m, from)
	if err != nil {
		return nil, "could not be kept: " + err.Error()
	}
	return w, ""
}

// keepPart keeps what has arrived of a part, and the document when that was the
// last one. It says why not.
func (p *Proxy) keepPart(q *query, part *store.PartWriter, resp *http.Response, variant string, failed error) string {
	complete, err := part.Commit()
	if err == nil {
		err = failed
	}
	if err == nil && complete {
		err = p.joinParts(q, resp, variant)
	}
	if err != nil {
		return "could not be kept: " + err.Error()
	}
	return ""
}

func (p *Proxy) joinParts(q *query, resp *http.Response, variant string) error {
	// The client, which has all that it asked for, may be gone by now.
	lock, err := p.Store.Lock(context.WithoutCancel(q.r.Context()), q.key, variant)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	v := policy.NewVerifier(policy.Digests(q.url, resp.Header, false))
	err = p.Store.Join(q.key, variant, v, v.Check)
	if gone := new(store.MissError); errors.As(err, &gone) {
		return nil // another request has joined them
	}
	return err
}

// lenient writes until that fails, and lets the reader go on.
type lenient struct {
	w   io.Writer
	err error
}

// Write never fails.
func (l *lenient) Write(b []byte) (int, error) {
	if l.err == nil {
		_, l.err = l.w.Write(b)
	}
	return len(b), nil
}

// missing is what a flight asks for when parts of a body are kept.
type missing struct {
	*store.Parts
	gap store.Span
	// local is how many bytes of the body come from the parts.
	local int64
}

// partsFor looks for parts that a request for the whole document can be
// completed from, and makes it a request for what is missing. That must be one
// span: more would cost more requests than they save.
func (f *flight) partsFor(want fetch) *missing {
	if want.post {
		return nil
	}
	parts, err := f.p.Store.Parts(f.id.key, want.variant)
	if err != nil {
		return nil
	}
	gap, ok := onlyGap(parts.Ranges, parts.Total)
	// Validators are of one URL: what is missing has to come as the parts did.
	if !ok || parts.Validator == "" || parts.Plain() != (f.id.scheme == "http") {
		parts.Close()
		return nil
	}
	want.req.Header.Set("Range", "bytes="+strconv.FormatInt(gap.From, 10)+"-"+strconv.FormatInt(gap.To-1, 10))
	want.req.Header.Set("If-Range", parts.Validator)
	want.req.Header.Set("Accept-Encoding", "identity")
	return &missing{Parts: parts, gap: gap}
}

// onlyGap is the one span that is not there.
func onlyGap(spans []store.Span, total int64) (store.Span, bool) {
	var gaps []store.Span
	at := int64(0)
	for _, s := range spans {
		if s.From > at {
			gaps = append(gaps, store.Span{From: at, To: s.From})
		}
		at = s.To
	}
	if at < total {
		gaps = append(gaps, store.Span{From: at, To: total})
	}
	if len(gaps) != 1 {
		return store.Span{}, false
	}
	return gaps[0], true
}

// Close releases the parts. A nil one may be closed.
func (m *missing) Close() {
	if m != nil {
		m.Parts.Close()
	}
}

// answered makes an answer with the missing span one with the whole body. It
// reports false when it is of no use and the parts neither.
func (m *missing) answered(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusPartialContent:
		return m.complete(resp) == nil
	case http.StatusRequestedRangeNotSatisfiable:
		return false
	}
	return true
}

// complete puts the parts around the missing span.
func (m *missing) complete(resp *http.Response) error {
	from, to, total, ok := contentRange(resp.Header)
	if !ok || from != m.gap.From || to != m.gap.To || total != m.Total || strongValidator(resp.Header) != m.Validator {
		return errors.New("the part is not the one that is missing")
	}
	if resp.ContentLength >= 0 && resp.ContentLength != to-from || resp.Header.Get("Content-Encoding") != "" {
		return fmt.Errorf("the part has %d bytes", resp.ContentLength)
	}
	body := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(
		io.NewSectionReader(m.File, 0, from),
		&exactly{body, to - from},
		io.NewSectionReader(m.File, to, total-to),
	), body}
	m.local = total - (to - from)
	resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
	resp.ContentLength = total
	resp.Header.Del("Content-Range")
	return nil
}

// exactly is a reader that fails when there are fewer bytes than that, and
// reads no more.
type exactly struct {
	r    io.Reader
	left int64
}

// Read reads at most what is left.
func (e *exactly) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(b[:min(int64(len(b)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	} else if err == io.EOF {
		err = nil
	}
	return n, err
}
