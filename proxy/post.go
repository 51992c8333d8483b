package proxy

import (
	"errors"
	"io"
	"net/http"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// keepPosted keeps the answer to a POST that says that it is the resource's new
// representation (a Content-Location of the same URL) and how long it is fresh,
// for later GET requests: RFC 9110 section 9.3.3. Only policy.RFC9111 does so.
func (p *Proxy) keepPosted(q *query, resp *http.Response, requested store.Meta) {
	if q.terms.Mode != policy.RFC9111 || q.r.Method != http.MethodPost || resp.StatusCode != http.StatusOK || p.Offline {
		return
	}
	at, err := q.url.Parse(resp.Header.Get("Content-Location"))
	if err != nil || resp.Header.Get("Content-Location") == "" || at.String() != q.url.String() {
		return
	}
	coded := resp.Header.Get("Content-Encoding") != "" // for this client
	if coded || !q.terms.Explicit(resp.Header) || !q.terms.Storable(q.r.Header, q.url, resp.StatusCode, resp.Header).OK {
		return
	}
	w, err := p.Store.Create()
	if err != nil {
		return
	}
	m := requested
	m.Received, m.Status, m.Header = p.now(), resp.StatusCode, policy.KeptHeader(resp.Header)
	m.Vary = policy.Selected(q.terms.Selecting(resp.Header), q.r.Header)
	resp.Body = &posted{ReadCloser: resp.Body, p: p, q: q, w: w, m: &m, length: resp.ContentLength}
}

// posted is a body that is kept when it has been read to its end.
type posted struct {
	io.ReadCloser
	p      *Proxy
	q      *query
	w      *store.Writer
	m      *store.Meta
	length int64
	failed error
}

// Read reads on, whether what is read can be kept or not.
func (b *posted) Read(buf []byte) (int, error) {
	n, err := b.ReadCloser.Read(buf)
	if n > 0 && b.failed == nil {
		_, b.failed = b.w.Write(buf[:n])
	}
	if errors.Is(err, io.EOF) && b.failed == nil && (b.length < 0 || b.w.Size() == b.length) {
		b.failed = b.commit()
	}
	return n, err
}

func (b *posted) commit() error {
	lock, err := b.p.Store.Lock(b.q.r.Context(), b.q.key, b.q.base)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := b.w.Commit(b.q.key, b.q.base, b.m); err != nil {
		return err
	}
	return io.EOF // once
}

// Close forgets what was not kept.
func (b *posted) Close() error {
	b.w.Close()
	return b.ReadCloser.Close()
}
