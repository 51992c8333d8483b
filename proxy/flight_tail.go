package proxy

import (
	"context"
	"errors"
	"time"
)

// tail is the piece of a body that found no room on the disk. It stays until
// all who read the body have it, and then makes room for the next one.
type tail struct {
	piece []byte
	at    int64 // its offset in the body
	// reading are the readers so far. They and the requests that have not begun
	// to read are those who are waited for.
	reading map[*flightReader]bool
	idle    int // requests that don't read, or are not waited for any more
}

// tailPatience is how long a piece waits for a reader that does not read. It
// loses the rest then: the others must not wait for ever.
const tailPatience = 30 * time.Second

var errTail = errors.New("the disk is full, and the client did not take the bytes in time")

// hand gives a piece to all readers.
func (f *flight) hand(b []byte) error {
	late := false
	wake := func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.grown.Broadcast()
	}
	timer := time.AfterFunc(tailPatience, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		late = true
		f.grown.Broadcast()
	})
	defer timer.Stop()
	// The context of the flight ends when the last reader leaves.
	stop := context.AfterFunc(f.ctx, wake)
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tail.piece = b
	f.received += int64(len(b))
	f.grown.Broadcast()
	for f.ctx.Err() == nil && !late && !f.allHave(f.tail.at+int64(len(b))) {
		f.grown.Wait()
	}
	if late {
		f.leaveBehind(f.tail.at + int64(len(b)))
	}
	f.tail.piece = nil
	f.tail.at += int64(len(b))
	return f.ctx.Err()
}

// allHave tells whether all who read the body have it up to an offset.
func (f *flight) allHave(end int64) bool {
	for r := range f.tail.reading {
		if r.off < end {
			return false
		}
	}
	return len(f.tail.reading)+f.tail.idle >= f.readers
}

// leaveBehind stops waiting for those who have not read up to an offset.
func (f *flight) leaveBehind(end int64) {
	for r := range f.tail.reading {
		if r.off < end {
			delete(f.tail.reading, r)
		}
	}
	f.tail.idle = f.readers - len(f.tail.reading)
}
