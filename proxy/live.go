package proxy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
)

// Live is a request that is being answered, or a connection that is being carried.
// It holds no secrets.
type Live struct {
	Method string
	URL    string // as that of Exchange
	Start  time.Time
	State  string // what it does or waits for, in words
	// Received are bytes of a body that is being downloaded, and Length is how many
	// it has, negative when that is not known. Of a download that several wait for
	// they are the oldest's alone. Both are 0 for all else.
	Received, Length int64
}

// State tells what is going on, the oldest first.
func (p *Proxy) State() []Live {
	p.live.mu.Lock()
	found := slices.Collect(maps.Keys(p.live.all))
	p.live.mu.Unlock()
	slices.SortFunc(found, func(a, b *lively) int { return cmp.Or(a.start.Compare(b.start), cmp.Compare(a.url, b.url)) })
	all := make([]Live, 0, len(found))
	told := map[*flight]bool{}
	for _, x := range found {
		l := Live{Method: x.method, URL: x.url, Start: x.start, State: x.stage.String()}
		if f := x.stage.flight.Load(); f != nil && !told[f] {
			told[f] = true
			l.Received, l.Length = f.progress()
		}
		all = append(all, l)
	}
	return all
}

// progress is how much of a body has come, and its length; both are 0 where none is
// on its way.
func (f *flight) progress() (received, length int64) {
	select {
	case <-f.ready:
	default:
		return 0, 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return 0, 0
	}
	return max(f.size, f.received), f.length
}

// live are the exchanges that have begun and not ended.
type live struct {
	mu  sync.Mutex
	all map[*lively]struct{}
}

// lively is what of an exchange may be looked at while it is under way.
type lively struct {
	method, url string
	start       time.Time
	stage       stage
}

func (l *live) add(x *lively) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[*lively]struct{}{}
	}
	l.all[x] = struct{}{}
}

func (l *live) remove(x *lively) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, x)
}

// stage is what somebody does now. The zero value looks into the store.
type stage struct {
	words  atomic.Pointer[string]
	flight atomic.Pointer[flight] // whose answer is waited for, or read
}

// set says what is done now.
func (s *stage) set(format string, args ...any) {
	words := fmt.Sprintf(format, args...)
	s.words.Store(&words)
}

// What nearly every exchange does: nothing is made for these, which do not change.
var (
	sending   = "is sent to the client from the cache"
	together  = "another request fetches it"
	beginning = "the answer begins to arrive"
)

// join says that an answer comes by a flight, which another request may lead.
func (s *stage) join(f *flight, leads bool) {
	s.words.Store(nil)
	if !leads {
		s.words.Store(&together)
	}
	s.flight.Store(f)
}

// leave is the end of join. What comes next is said by whoever does it.
func (s *stage) leave() {
	s.words.Store(nil)
	s.flight.Store(nil)
}

// String says what is done now.
func (s *stage) String() string {
	words := s.words.Load()
	switch f := s.flight.Load(); {
	case f != nil && words != nil:
		return *words + ": " + f.state()
	case f != nil:
		return f.state()
	case words != nil:
		return *words
	}
	return "is looked for in the cache"
}

// quiet is after how long a body that sends nothing is said to.
const quiet = 2 * time.Second

// state says how far a flight is.
func (f *flight) state() string {
	words := f.stage.words.Load()
	select {
	case <-f.ready:
	default:
		if words != nil {
			return *words
		}
		return "waits for another run that fetches it"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	got := max(f.size, f.received)
	if f.done {
		return "is sent to the client: all of it is here"
	}
	s := "body: " + humanize.Bytes(uint64(got))
	if f.length >= 0 {
		s += " of " + humanize.Bytes(uint64(f.length))
	}
	if silent := f.p.now().Sub(f.came); !f.came.IsZero() && silent > quiet {
		s += fmt.Sprintf(", nothing for %v", silent.Round(time.Second))
	}
	if words != nil && words != &beginning { // it is taken up again
		s += "; " + *words
	}
	return s
}

// stageKey is that of the stage whose request a context is for.
type stageKey struct{}

func withStage(ctx context.Context, s *stage) context.Context {
	return context.WithValue(ctx, stageKey{}, s)
}

// stageOf is a request's stage; one that nobody looks at when it has none.
func stageOf(ctx context.Context) *stage {
	if s, ok := ctx.Value(stageKey{}).(*stage); ok {
		return s
	}
	return &stage{}
}
