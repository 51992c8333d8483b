package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// flights are the fetches under way, one for each document however many ask.
type flights struct {
	mu      sync.Mutex
	byKey   map[flightKey]*flight
	running sync.WaitGroup
}

type flightKey struct {
	key     store.Key
	variant string
	scheme  string
}

// stop ends the fetches that are not whole yet and waits for all.
func (fs *flights) stop() {
	fs.mu.Lock()
	for _, f := range fs.byKey {
		f.abandon()
	}
	fs.mu.Unlock()
	fs.running.Wait()
}

// abandon ends the fetch, unless all bytes are in: then only the commit is left.
func (f *flight) abandon() {
	f.mu.Lock()
	whole := f.length >= 0 && f.received >= f.length
	f.mu.Unlock()
	if !whole {
		f.cancel()
	}
}

// flightResult is what a fetch came to. It is known once the header is.
type flightResult int

const (
	flightKept        flightResult = iota // the body goes to a file that all read
	flightUnkept                          // the leader alone reads the body
	flightNotModified                     // the stale answer holds
	flightStored                          // another process has stored it
	flightFailed                          // no answer
)

// flight is one fetch. One goroutine (lead) writes; any number of requests
// read what has arrived so far.
type flight struct {
	p      *Proxy
	id     flightKey
	ctx    context.Context // ends when nobody waits any more
	cancel context.CancelFunc
	sha256 string // of query

	// ready is closed when the fields below are set.
	ready  chan struct{}
	result flightResult
	err    error
	status int
	header http.Header
	length int64 // of the body, -1 unknown
	vary   map[string]string
	text   []byte // the body of an answer without file
	keep   policy.Keep
	resp   *http.Response // flightUnkept only
	writer *store.Writer  // flightKept with a file that this flight writes
	file   *os.File       // what flightKept reads, nil for a text
	// partials are the files of other processes that are or were read.
	partials []*store.Partial

	mu      sync.Mutex
	grown   *sync.Cond
	readers int
	claimed bool
	size    int64 // bytes readable in the file
	// received counts the bytes from upstream; more than size on a full disk.
	received int64
	done     bool
	bodyErr  error // why the body ended early
	keepErr  error // why a whole body was not kept
	sum      string
	spill    chan []byte // where bytes go when the disk is full
	spilled  bool        // a reader has spill
}

// join returns the flight for a query, and whether this query began it.
func (p *Proxy) join(q *query, variant string, old *store.Entry) (*flight, bool) {
	id := flightKey{q.key, variant, q.url.Scheme}
	p.flights.mu.Lock()
	defer p.flights.mu.Unlock()
	if f, ok := p.flights.byKey[id]; ok {
		f.mu.Lock()
		alive := f.readers > 0
		if alive {
			f.readers++
		}
		f.mu.Unlock()
		if alive {
			return f, false
		}
	}
	f := &flight{p: p, id: id, ready: make(chan struct{}), readers: 1, length: -1, sha256: q.sha256}
	f.grown = sync.NewCond(&f.mu)
	f.ctx, f.cancel = context.WithCancel(context.WithoutCancel(p.serving))
	if p.flights.byKey == nil {
		p.flights.byKey = map[flightKey]*flight{}
	}
	p.flights.byKey[id] = f
	req := p.outgoing(f.ctx, q)
	var oldMeta *store.Meta
	if old != nil {
		oldMeta = &old.Meta
	}
	want := fetch{req: req, url: q.url, post: q.body != nil || q.sha256 != "", variant: variant, old: oldMeta}
	p.flights.running.Go(func() { f.lead(want) })
	return f, true
}

// leave is called once by each request that joined. The last one ends a fetch
// that nobody wants any more.
func (f *flight) leave() {
	f.mu.Lock()
	f.readers--
	last := f.readers == 0
	f.mu.Unlock()
	if !last {
		return
	}
	f.abandon()
	f.p.flights.forget(f)
	<-f.ready
	if f.result == flightUnkept && f.claim() {
		f.resp.Body.Close()
	}
	if f.file != nil {
		f.mu.Lock()
		for !f.done {
			f.grown.Wait()
		}
		f.mu.Unlock()
		f.closeFiles()
	}
	f.cancel()
}

func (fs *flights) forget(f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.byKey[f.id] == f {
		delete(fs.byKey, f.id)
	}
}

// claim gives the body of an unkept answer to whoever asks first.
func (f *flight) claim() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := !f.claimed
	f.claimed = true
	return first
}

// answers tells whether the flight's answer was selected by the values that
// the query has.
func (f *flight) answers(q *query) bool { return selects(f.vary, q.r.Header) }

// finish publishes the header or the failure.
func (f *flight) finish(r flightResult) {
	f.result = r
	if r != flightKept {
		// Nothing to follow: the next request looks at the store again.
		f.p.flights.forget(f)
	}
	close(f.ready)
}

// fetch is what a flight asks upstream.
type fetch struct {
	req     *http.Request
	url     *url.URL // as asked for, signature included
	post    bool
	variant string
	old     *store.Meta // of the stale answer, nil without
	lock    *store.Lock
}

// lead fetches the answer. It holds the document's lock, so that no other
// process does the same.
func (f *flight) lead(want fetch) {
	p, req, variant, old := f.p, want.req, want.variant, want.old
	lock, partial, err := p.Store.LockOrFollow(f.ctx, f.id.key, variant)
	if err != nil {
		f.err = err
		f.finish(flightFailed)
		return
	}
	if partial != nil {
		f.lookOn(want, partial)
		return
	}
	defer lock.Unlock()
	want.lock = lock
	if f.storedMeanwhile(variant, old) {
		f.finish(flightStored)
		return
	}
	if old != nil {
		setConditions(req.Header, old.Header)
	}
	m := store.Meta{URL: f.id.key.URL(f.id.scheme), Requested: time.Now()}
	resp, err := p.Upstream.RoundTrip(req)
	if err != nil {
		f.err = err
		f.finish(flightFailed)
		return
	}
	m.Received = time.Now()
	if old != nil && resp.StatusCode == http.StatusNotModified {
		resp.Body.Close()
		f.freshen(variant, *old, resp, m)
		return
	}
	if old != nil && resp.StatusCode >= 500 {
		resp.Body.Close()
		f.err = errors.New(resp.Status)
		f.finish(flightFailed)
		return
	}
	f.receive(want, resp, &m)
}

// storedMeanwhile tells whether somebody else stored the answer while this
// flight waited for the lock.
func (f *flight) storedMeanwhile(variant string, old *store.Meta) bool {
	e, err := f.p.Store.Get(f.id.key, variant)
	if err != nil {
		return false
	}
	defer e.Close()
	if f.id.scheme == "https" && !e.Own && e.Plain() {
		return false
	}
	return old == nil || e.Received.After(old.Received)
}

// freshen updates the stored header after a 304 (RFC 9111 section 4.3.4).
func (f *flight) freshen(variant string, old store.Meta, resp *http.Response, m store.Meta) {
	old.Requested, old.Received = m.Requested, m.Received
	old.Header = old.Header.Clone()
	if old.Header == nil {
		old.Header = http.Header{}
	}
	for name, values := range policy.KeptHeader(resp.Header) {
		switch name {
		case "Content-Encoding", "Content-Type", "Content-Range", "Content-Length":
			continue // they describe the bytes, which stay
		}
		old.Header[name] = values
	}
	if err := f.p.Store.Touch(f.id.key, variant, old); err != nil {
		f.p.Log.Debug("freshen", "err", err)
	}
	f.finish(flightNotModified)
}

// receive decides what becomes of an answer, publishes its header and takes
// its body.
func (f *flight) receive(want fetch, resp *http.Response, m *store.Meta) {
	p, req := f.p, want.req
	if f.keep = f.judge(want, resp); !f.keep.OK {
		f.unkept(resp)
		return
	}
	body, err := decoded(req, resp)
	if err != nil {
		resp.Body.Close()
		f.err = err
		f.finish(flightFailed)
		return
	}
	defer body.Close()
	m.Status, m.Header = resp.StatusCode, policy.KeptHeader(resp.Header)
	m.Vary = policy.Selected(policy.Selecting(resp.Header), req.Header)
	want.variant = f.place(want.variant, m.Vary, req.Header)
	f.status, f.header, f.vary = m.Status, liveHeader(m.Header, resp.Header), m.Vary
	f.setLength(resp.ContentLength)
	if resp.StatusCode != http.StatusOK {
		f.takeText(body, want.variant, m)
		return
	}
	f.writer, err = p.Store.Create()
	if err != nil {
		f.keep = policy.Keep{Reason: "could not be kept: " + err.Error()}
		resp.Body = body
		f.unkept(resp)
		return
	}
	f.file = f.writer.File()
	f.publish(want, m)
	f.finish(flightKept)
	f.takeBody(body, want.variant, m)
}

// judge says whether an answer is kept.
func (f *flight) judge(want fetch, resp *http.Response) policy.Keep {
	keep := f.p.Policy.Storable(want.req.Header, want.url, resp.StatusCode, resp.Header)
	switch {
	case !keep.OK:
	case want.post && resp.StatusCode != http.StatusOK:
		keep = policy.Keep{Reason: resp.Status}
	case lengthUnknown(resp):
		keep = policy.Keep{Reason: "its end cannot be told from a cut"}
	case f.p.Store.ReadOnly():
		keep = policy.Keep{Reason: store.ErrReadOnly.Error()}
	}
	return keep
}

// publish lets other processes read the body while it arrives.
func (f *flight) publish(want fetch, m *store.Meta) {
	if err := want.lock.Publish(f.writer, want.variant, m, f.length); err != nil {
		f.p.Log.Debug("publish", "err", err) // they wait for the end then
	}
}

// liveHeader is the kept header with the redirect as it came: the signature of
// its target is for the clients of today.
func liveHeader(kept, got http.Header) http.Header {
	location := got.Values("Location")
	if len(location) == 0 {
		return kept
	}
	h := kept.Clone()
	h["Location"] = location
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
// or holds the same selection, else one beside it.
func (f *flight) place(variant string, vary map[string]string, req http.Header) string {
	if len(vary) == 0 {
		return variant
	}
	e, err := f.p.Store.Get(f.id.key, variant)
	if err != nil {
		return variant
	}
	defer e.Close()
	if e.Own || selects(e.Vary, req) {
		return variant
	}
	return joinLabels(variant, policy.VaryLabel(vary))
}

// maxText bounds the body of an error answer that is held in memory.
const maxText = 64 << 10

// takeText keeps an answer that is no document: an error or a redirect.
func (f *flight) takeText(body io.Reader, variant string, m *store.Meta) {
	text, err := io.ReadAll(io.LimitReader(body, maxText))
	if err != nil {
		f.err = err
		f.finish(flightFailed)
		return
	}
	f.text, f.size, f.received = text, int64(len(text)), int64(len(text))
	m.Body, m.FetchMS = text, time.Since(m.Requested).Milliseconds()
	if err := f.p.Store.PutStatus(f.id.key, variant, m); err != nil {
		f.keepErr = err
	}
	f.sum = m.SHA256
	f.finish(flightKept)
	f.end(nil)
}

// takeBody copies a body to the file and wakes those who read it.
func (f *flight) takeBody(body io.Reader, variant string, m *store.Meta) {
	buf := make([]byte, 128<<10)
	var err error
	for err == nil {
		var n int
		n, err = body.Read(buf)
		if n == 0 {
			continue
		}
		if werr := f.append(buf[:n]); werr != nil {
			err = werr
		}
	}
	if err != io.EOF {
		f.writer.Abort()
		f.end(err)
		return
	}
	m.FetchMS = time.Since(m.Requested).Milliseconds()
	m.Header = m.Header.Clone()
	if f.keepError() == nil {
		err := f.commit(variant, m)
		f.mu.Lock()
		f.keepErr, f.sum = err, m.SHA256
		f.mu.Unlock()
	}
	f.end(nil)
}

// append adds bytes to the file, or, when the disk is full, hands them to one
// reader: a full disk must not fail a build.
func (f *flight) append(b []byte) error {
	if f.keepErr == nil {
		n, err := f.writer.Write(b)
		f.grow(f.writer.File(), f.writer.Size())
		f.mu.Lock()
		f.received += int64(len(b))
		if err != nil {
			f.keepErr = err
			f.spill = make(chan []byte)
		}
		f.grown.Broadcast()
		f.mu.Unlock()
		if err == nil {
			return nil
		}
		if f.partials != nil {
			return err // readers may be ahead of what would be handed to them
		}
		f.p.flights.forget(f)
		b = b[n:]
	} else {
		f.mu.Lock()
		f.received += int64(len(b))
		f.mu.Unlock()
	}
	rest := append([]byte(nil), b...)
	select {
	case f.spill <- rest:
		return nil
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}

// end tells all readers that no more will come.
func (f *flight) end(err error) {
	f.p.flights.forget(f)
	f.mu.Lock()
	f.done, f.bodyErr = true, err
	if f.spill != nil {
		close(f.spill)
	}
	f.grown.Broadcast()
	f.mu.Unlock()
}

func (f *flight) network() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.received
}

func (f *flight) digest() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sum
}

func (f *flight) keepError() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keepErr
}
