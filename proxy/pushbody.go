package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"cachex/proxy/store"
)

// aheadBody is a request's body that is read as fast as its client sends, into
// a file without a name, and given out as fast as upstream takes it.
//
// git with libcurl 7.88 (Debian 12) stops for good when it has filled an HTTP/2
// window: 12 of 15 pushes of 3 MB to a plain Go server that takes 32 KiB each
// millisecond hung, without cachex. A client next to a proxy is faster than what
// is behind it, so that through one nearly every large push would fill it.
type aheadBody struct {
	from io.ReadCloser
	room *store.Store

	start   sync.Once
	reading sync.WaitGroup
	ahead   *store.Writer // nil when there is no room

	mu      sync.Mutex
	more    *sync.Cond
	in, out int64  // offsets in the file
	rest    []byte // what follows the file
	ended   bool   // nothing is read ahead any more
	err     error  // what follows rest; nil is from itself
	closed  bool
}

func newAheadBody(from io.ReadCloser, room *store.Store) *aheadBody {
	b := &aheadBody{from: from, room: room}
	b.more = sync.NewCond(&b.mu)
	return b
}

// Read gives what has arrived. The first call begins to read ahead: a client
// that expects 100 (Continue) must not get it before upstream is asked.
func (b *aheadBody) Read(p []byte) (int, error) {
	b.start.Do(b.begin)
	b.mu.Lock()
	for b.in == b.out && !b.ended && !b.closed {
		b.more.Wait()
	}
	waiting, at, closed := b.in-b.out, b.out, b.closed
	b.mu.Unlock()
	switch {
	case closed:
		return 0, http.ErrBodyReadAfterClose
	case waiting > 0:
		n, err := b.ahead.File().ReadAt(p[:min(int64(len(p)), waiting)], at)
		b.mu.Lock()
		b.out += int64(n)
		b.mu.Unlock()
		return n, err
	case len(b.rest) > 0:
		n := copy(p, b.rest)
		b.rest = b.rest[n:]
		return n, nil
	case b.err != nil:
		return 0, b.err
	}
	return b.from.Read(p)
}

func (b *aheadBody) begin() {
	var err error
	if b.ahead, err = b.room.Create(); err != nil {
		b.ended = true // as slow as upstream, then
		return
	}
	b.reading.Go(b.fill)
}

// fill reads ahead until the body ends or the disk is full.
func (b *aheadBody) fill() {
	buf := make([]byte, 64<<10)
	for {
		n, err := b.from.Read(buf)
		var kept int
		var full error
		if n > 0 {
			kept, full = b.ahead.Write(buf[:n])
		}
		b.mu.Lock()
		b.in += int64(kept)
		b.ended = err != nil || full != nil
		b.rest, b.err = buf[kept:n], err
		ended := b.ended
		b.more.Broadcast()
		b.mu.Unlock()
		if ended {
			return
		}
	}
}

// Close ends the reading ahead.
func (b *aheadBody) Close() error {
	b.mu.Lock()
	b.closed = true
	b.more.Broadcast()
	b.mu.Unlock()
	err := b.from.Close()
	b.start.Do(func() {}) // nobody begins any more
	b.reading.Wait()
	if b.ahead == nil {
		return err
	}
	b.ahead.Abort()
	return errors.Join(err, b.ahead.Close())
}
