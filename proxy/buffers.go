package proxy

import "sync"

// buffer is what bodies are copied with: four TLS records.
type buffer [64 << 10]byte

// buffers are those not in use. A thousand downloads at once need no more of
// them than are being copied at the moment.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *buffer {
	if buf, ok := b.pool.Get().(*buffer); ok {
		return buf
	}
	return new(buffer)
}

func (b *buffers) put(buf *buffer) { b.pool.Put(buf) }
