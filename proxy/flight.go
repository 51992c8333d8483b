package proxy

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
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
	filling sync.WaitGroup // bodies that go on without a client
}

type flightKey struct {
	key     store.Key
	variant string
	scheme  string
}

// fillGrace is how long the end of a run waits for the rest of bodies of which
// a client wanted a part. They are of Proxy.Near bytes at most.
const fillGrace = 2 * time.Second

// stop ends the fetches that are not whole yet and waits for all.
func (fs *flights) stop() {
	filled := make(chan struct{})
	go func() {
		fs.filling.Wait()
		close(filled)
	}()
	select {
	case <-filled:
	case <-time.After(fillGrace):
	}
	defer func() { <-filled }()
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
	whole := f.length >= 0 && f.received >= f.length && f.keepErr == nil
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

	// landed is closed when the lock has been given back: until then other
	// processes find the writer's file by its descriptor.
	landed chan struct{}

	// ready is closed when the fields below are set.
	ready   chan struct{}
	result  flightResult
	err     error
	status  int
	header  http.Header
	meta    *store.Meta // of what is kept
	cookies http.Header // for who asked, and nobody else
	length  int64       // of the body, -1 unknown
	vary    map[string]string
	text    []byte // the body of an answer without file
	keep    policy.Keep
	resp    *http.Response // flightUnkept only
	writer  *store.Writer  // flightKept with a file that this flight writes
	file    *os.File       // what flightKept reads, nil for a text
	// partials are the files of other processes that are or were read.
	partials []*store.Partial
	interim  chan interim // 1xx answers, for the request that leads
	stage    stage        // before the header is there

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
	verify   *policy.Verifier
	coded    bool // a coding that we asked for was undone
	// takenOver is set when the beginning of the body came by another process.
	takenOver bool
	shared    int64     // bytes that are in a request's account
	accounted bool      // some request's account has this flight
	local     int64     // bytes of the body that were kept before, as parts
	tail      tail      // what found no room in the file
	came      time.Time // when the last bytes came
}

// join returns the flight for a query, and whether this query began it.
func (p *Proxy) join(q *query, a asked) (*flight, bool) {
	id := flightKey{q.key, a.variant, q.url.Scheme}
	p.flights.mu.Lock()
	defer p.flights.mu.Unlock()
	if f, ok := p.flights.byKey[id]; ok {
		if f.board(q) {
			return f, false
		}
	}
	f := &flight{
		p: p, id: id, readers: 1, length: -1,
		ready: make(chan struct{}), landed: make(chan struct{}), interim: make(chan interim, 8),
	}
	f.grown = sync.NewCond(&f.mu)
	f.ctx, f.cancel = context.WithCancel(context.WithoutCancel(p.serving))
	if p.flights.byKey == nil {
		p.flights.byKey = map[flightKey]*flight{}
	}
	p.flights.byKey[id] = f
	want := fetch{req: p.outgoing(withStage(withInterim(f.ctx, f.interim), &f.stage), q), url: q.url, terms: q.terms, post: q.body != nil, base: q.base, variant: a.variant, sha256: q.sha256, named: q.named}
	if a.old != nil {
		want.old, want.standby = &a.old.Meta, a.use.Standby
	}
	p.flights.running.Go(func() {
		defer close(f.landed)
		f.lead(want)
	})
	return f, true
}

// board adds a request to those that the answer is for. It can't any more when
// all bytes are there: who got them may be asking again. Nor when the header
// came before the request and says that it is not to be used again.
func (f *flight) board(q *query) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers == 0 || f.done || f.length >= 0 && max(f.size, f.received) >= f.length {
		return false
	}
	select {
	case <-f.ready:
		if !f.p.reusable(q.terms, f.meta, q.url, q.r.Header) {
			return false
		}
	default:
	}
	f.readers++
	return true
}

// reusable tells whether an answer on its way, whose header came before a
// request, may be the one to it. By RFC 9111 it must be fresh; a build is
// content with what has not all come yet.
func (p *Proxy) reusable(t policy.Terms, m *store.Meta, u *url.URL, req http.Header) bool {
	if t.Mode != policy.RFC9111 {
		return true
	}
	a := policy.Answer{URL: u, Status: m.Status, Header: m.Header, Requested: m.Requested, Received: m.Received}
	return t.Judge(req, a, p.now()).Fresh
}

// await waits until the header is there, and sends the interim answers on if
// the request leads. It reports false when the client has gone.
func (f *flight) await(w http.ResponseWriter, q *query, leads bool) bool {
	var interims <-chan interim
	if leads {
		interims = f.interim
	}
	for {
		select {
		case i := <-interims:
			serveInterim(w, i)
			continue
		default:
		}
		select {
		case i := <-interims:
			serveInterim(w, i)
		case <-f.ready:
			return true
		case <-q.r.Context().Done():
			return false
		}
	}
}

// fill lets a body of which a client has taken a part, or nothing, arrive as a
// whole, if that is not much: the next client may want another part.
func (f *flight) fill() {
	f.mu.Lock()
	ask := f.readers > 0 && !f.done && f.length >= 0 && f.length <= f.p.near()
	if ask {
		f.readers++
		f.tail.idle++
		f.p.flights.filling.Add(1)
	}
	f.mu.Unlock()
	if !ask {
		return
	}
	f.p.flights.running.Go(func() {
		defer f.p.flights.filling.Done()
		f.whole()
		f.leave()
	})
}

// whole waits for the end of a body that goes to a file.
func (f *flight) whole() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.file != nil && !f.done {
		f.grown.Wait()
	}
}

// leave is called once by each request that joined. The last one ends a fetch
// that nobody wants any more.
func (f *flight) leave() {
	f.mu.Lock()
	f.readers--
	last := f.readers == 0
	f.grown.Broadcast() // whoever waits for this one
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
	f.mu.Lock()
	filed := f.file != nil
	f.mu.Unlock()
	if filed {
		<-f.landed
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
func (f *flight) answers(q *query) bool { return policy.Selects(f.vary, f.header, q.r.Header) }

// selecting are the names of the fields that the answer was selected by.
func (f *flight) selecting() []string { return slices.Sorted(maps.Keys(f.vary)) }

// finish publishes the header or the failure.
func (f *flight) finish(r flightResult) {
	f.result = r
	if r != flightKept {
		// Nothing to follow: the next request looks at the store again.
		f.p.flights.forget(f)
	}
	close(f.ready)
}

// share is how many bytes of the body are in nobody's account yet, and whether
// this is the first account of it: the accounts of all requests together are
// what came from the network.
func (f *flight) share() (n int64, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = max(0, f.received-f.local-f.shared)
	f.shared += n
	first = !f.accounted
	f.accounted = true
	return n, first
}

// network is how many bytes of the body there are so far.
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
