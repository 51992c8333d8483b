package proxy

import (
	"hash/maphash"
	"net/http"
	"sync"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// Answers that are asked for again and again are kept in memory as they were sent,
// under the bytes of the request's head. The same bytes on another connection to the
// same destination get the same answer, without a look at what they say: what decides
// about an answer is the request, the files in the store and, but for what never gets
// old, the clock. Whether a file has changed is looked at each time, so that one may
// be edited, replaced or removed by hand as ever.
//
// It takes a hit of 1 KiB from 5 times the processor time of nginx to the same; net/http
// alone, with its answer in memory, takes a little more than nginx does.

const (
	// hotBytes bounds what is kept, and hotAnswerBytes each answer: what is larger
	// takes its time to be sent, not to be found.
	hotBytes       = 12 << 20
	hotAnswerBytes = 32 << 10
	hotHeader      = 512 // about what a header takes
	// hotFor is how long an answer is taken without asking the store, which notes
	// when it was used.
	hotFor = time.Minute
)

// hotAnswers are those that are kept. The zero value is empty.
type hotAnswers struct {
	mu    sync.RWMutex
	seed  maphash.Seed
	all   map[uint64]*hotAnswer
	bytes int
}

// hotAnswer is one of them. It does not change.
type hotAnswer struct {
	dest     destination
	head     string // of the request
	answer   []byte
	sighting *store.Sighting
	until    time.Time
	ex       Exchange // but for its times
	fetched  time.Duration
}

// room is how many bytes it takes, roughly.
func (a *hotAnswer) room() int { return cap(a.answer) + len(a.head) + 512 }

func (h *hotAnswers) key(d destination, head []byte) uint64 {
	return maphash.Bytes(h.seed, head) ^ maphash.String(h.seed, d.host) ^ uint64(d.port)
}

// find gives the answer to a request, nil when none is kept.
func (h *hotAnswers) find(d destination, head []byte) *hotAnswer {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if len(h.all) == 0 {
		return nil
	}
	a := h.all[h.key(d, head)]
	if a == nil || a.dest != d || a.head != string(head) {
		return nil
	}
	return a
}

// keep keeps an answer, in the place of others when there are too many.
func (h *hotAnswers) keep(a *hotAnswer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.seed, h.all = maphash.MakeSeed(), map[uint64]*hotAnswer{}
	}
	k := h.key(a.dest, []byte(a.head))
	h.remove(k)
	h.all[k] = a
	h.bytes += a.room()
	for k := range h.all { // in no order
		if h.bytes <= hotBytes {
			break
		}
		h.remove(k)
	}
}

// drop forgets an answer that is not true any more.
func (h *hotAnswers) drop(a *hotAnswer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.key(a.dest, []byte(a.head)); h.all[k] == a {
		h.remove(k)
	}
}

func (h *hotAnswers) remove(k uint64) {
	if a := h.all[k]; a != nil {
		h.bytes -= a.room()
		delete(h.all, k)
	}
}

// lasts tells whether an answer would be the same to any request of the same bytes,
// for as long as its files are the same.
func (p *Proxy) lasts(q *query, e *store.Entry, use policy.Use) bool {
	return use.Lasting && q.r.Method == http.MethodGet && e.Status == http.StatusOK && e.File != nil && e.Size <= hotAnswerBytes &&
		!q.auth && !p.locked() && len(p.cookies.of(&e.Meta)) == 0
}

// warm has an answer kept that is about to be sent from the store, if its request may
// be answered with the same next time.
func (p *Proxy) warm(q *query, e *store.Entry, variant string, use policy.Use) {
	c, _ := q.r.Context().Value(connKey{}).(*conn)
	if c == nil || c.hot == nil || !c.hot.learns() || !p.lasts(q, e, use) {
		return
	}
	if sighting := p.Store.Sight(q.key, variant, e); sighting != nil {
		a := &hotAnswer{dest: c.dest, head: string(c.hot.head), sighting: sighting, until: p.now().Add(hotFor)}
		a.answer = make([]byte, 0, e.Size+hotHeader)
		c.hot.sent, c.hot.of = a, q.x
	}
}
