package proxy

import (
	"net"
	"sync"
	"time"
)

// batch gathers small writes into few large ones: while one is under way, others are
// added up. It takes nothing but the switch to another goroutine to send what comes
// alone.
//
// net/http writes two pieces for each frame of HTTP/2, TLS makes a record of each, and
// each record is a system call that wakes the client. A file of 1 GiB took three times as
// long as over HTTP/1.1 when the machine had nothing else to do.
type batch struct {
	conn    net.Conn
	buffers *buffers

	mu      sync.Mutex
	moved   sync.Cond // something was written, or failed
	next    *buffer   // nil when there is nothing
	n       int       // bytes in it
	writing bool      // a goroutine does
	err     error     // the first of writing
}

func newBatch(c net.Conn, b *buffers) *batch {
	w := &batch{conn: c, buffers: b}
	w.moved.L = &w.mu
	return w
}

// Write takes all of p, unless writing has failed. It waits when two buffers are full.
func (b *batch) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := 0
	for taken < len(p) {
		for b.err == nil && b.n == len(buffer{}) {
			b.moved.Wait()
		}
		if b.err != nil {
			return taken, b.err
		}
		if b.next == nil {
			b.next = b.buffers.get()
		}
		n := copy(b.next[b.n:], p[taken:])
		b.n += n
		taken += n
		if !b.writing {
			b.writing = true
			go b.send()
		}
	}
	return taken, nil
}

// send writes until there is no more.
func (b *batch) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.n > 0 && b.err == nil {
		buf, n := b.next, b.n
		b.next, b.n = nil, 0
		b.mu.Unlock()
		_, err := b.conn.Write(buf[:n])
		b.buffers.put(buf)
		b.mu.Lock()
		b.err = err
		b.moved.Broadcast()
	}
	b.writing = false
	b.moved.Broadcast()
}

// drain waits until all is written, or failed.
func (b *batch) drain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.writing {
		b.moved.Wait()
	}
}

// lastWords is how long a client that does not read is waited for when its connection
// ends.
const lastWords = time.Second

// close writes what there is. The connection may be closed then.
func (b *batch) close() {
	_ = b.conn.SetWriteDeadline(time.Now().Add(lastWords))
	b.drain()
}
