package proxy

import (
	"errors"
	"net/http"
	"os"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// followPoll is how often a file that another process writes is looked at. A
// megabyte arrives in that time at 100 MB/s.
const followPoll = 10 * time.Millisecond

var errFollowed = errors.New("the run that downloaded it has ended early, and its bytes are no longer to be had")

// lookOn is the flight of a body that another process downloads: its bytes are
// read from the file that they go to. When that process ends early, the next
// in line, which may be this one, fetches the body anew: those who read it have
// a part of it already and must get the rest.
func (f *flight) lookOn(want fetch, p *store.Partial) {
	f.status, f.header, f.vary, f.meta = p.Status, p.Header, p.Vary, &p.Meta
	f.file, f.partials = p.File, []*store.Partial{p}
	f.setLength(p.Length)
	f.finish(flightKept)
	for {
		kept, err := f.follow(p)
		if kept != nil || err != nil {
			f.endFollowed(kept, err)
			return
		}
		var lock *store.Lock
		if lock, p, err = f.lockOrFollow(want.variant, nil); err == nil && p != nil && (strongValidator(p.Header) == "" || !f.same(p.Header, p.Length)) {
			// Another version, or plain http's, or it cannot be told: bytes of two
			// versions must not be put together. What is taken over is compared.
			p.Close()
			p = nil
			lock, err = f.p.Store.Lock(f.ctx, f.id.key, want.variant)
		}
		switch {
		case err != nil:
			f.end(err)
			return
		case p == nil:
			want.lock = lock
			f.takeOver(want)
			lock.Unlock()
			return
		}
		f.partials = append(f.partials, p)
	}
}

// lockOrFollow is that of the store, but for a body that comes over plain http:
// an encrypted request waits until that is over, and fetches its own.
func (f *flight) lockOrFollow(variant string, over func() bool) (*store.Lock, *store.Partial, error) {
	lock, p, err := f.p.Store.LockOrFollow(f.ctx, f.id.key, variant, over)
	if p != nil && f.id.scheme == "https" && p.Plain() {
		p.Close()
		lock, err = f.p.Store.Lock(f.ctx, f.id.key, variant)
		return lock, nil, err
	}
	return lock, p, err
}

func (f *flight) endFollowed(kept *store.Meta, err error) {
	if kept != nil {
		f.mu.Lock()
		f.sum = kept.SHA256
		f.mu.Unlock()
	}
	f.end(err)
}

// follow reads along until the writer has ended. kept is nil when the body was
// not whole then.
func (f *flight) follow(p *store.Partial) (kept *store.Meta, err error) {
	for {
		ended, kept := p.Ended() // asked first: bytes from before the end are seen
		fi, err := p.File.Stat()
		if err != nil {
			return nil, err
		}
		f.grow(p.File, fi.Size())
		if ended {
			return kept, nil
		}
		select {
		case <-time.After(followPoll):
		case <-f.ctx.Done():
			return nil, f.ctx.Err()
		}
	}
}

// grow makes bytes known to the readers. A second file counts from where it has
// all that the first one had.
func (f *flight) grow(file *os.File, size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if size >= f.size {
		f.file, f.size = file, size
		f.grown.Broadcast()
	}
}

// takeOver fetches a body of which readers have a part: what comes must begin
// with that.
func (f *flight) takeOver(want fetch) {
	m := store.Meta{URL: f.id.key.URL(f.id.scheme), Requested: f.p.now()}
	want.req = f.again(want.req)
	resp, err := f.p.fetch(want.req, maxTries)
	if err != nil {
		f.end(err)
		return
	}
	defer func() { resp.Body.Close() }()
	m.Received = f.p.now()
	f.keep = f.judge(want, resp)
	f.coded = decode(want.req, resp)
	kept := policy.KeptHeader(resp.Header)
	if resp.StatusCode != f.status || !f.same(kept, resp.ContentLength) {
		f.end(errFollowed)
		return
	}
	m.Status, m.Header = resp.StatusCode, kept
	m.Vary = policy.Selected(want.terms.Selecting(resp.Header), want.req.Header)
	want.variant = f.place(want, m.Vary, want.req.Header)
	if f.writer, err = f.p.Store.Create(); err != nil {
		f.end(err)
		return
	}
	f.verify = policy.NewVerifier(want.digests(resp.Header, f.coded))
	f.takenOver = true
	f.takeBody(want, &comparing{r: resp.Body, with: f.file, left: f.size}, &m)
}

// again is a request for what readers have a part of: all of it, and in the form
// that the run that began it got. A length was announced of what is not coded.
func (f *flight) again(req *http.Request) *http.Request {
	req = req.Clone(req.Context())
	req.Header.Del("If-None-Match")
	req.Header.Del("If-Modified-Since")
	if f.length >= 0 {
		req.Header.Set("Accept-Encoding", "identity")
	}
	return req
}

// same tells whether an answer is the one that readers have a part of.
func (f *flight) same(h http.Header, length int64) bool {
	for _, name := range []string{"ETag", "Last-Modified", "Content-Encoding"} {
		if f.header.Get(name) != h.Get(name) {
			return false
		}
	}
	return f.length == length
}

// closeFiles releases the body when all have read it.
func (f *flight) closeFiles() {
	for _, p := range f.partials {
		p.Close()
	}
	if f.writer != nil {
		f.writer.Close()
	}
}
