package proxy

import (
	"context"
	"io"
	"os"
)

// flightReader reads a body that is still arriving. It implements
// io.ReadSeeker for a body of known length.
type flightReader struct {
	f   *flight
	ctx context.Context
	off int64
	err error // other than io.EOF
}

func (f *flight) reader(ctx context.Context) *flightReader {
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		f.grown.Broadcast()
		f.mu.Unlock()
	})
	return &flightReader{f: f, ctx: ctx}
}

// close tells that no more will be read.
func (r *flightReader) close() {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	delete(r.f.tail.reading, r)
	r.f.grown.Broadcast()
}

// wouldWait tells whether Read has nothing to give yet.
func (r *flightReader) wouldWait() bool {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	return r.off >= r.f.size && !r.f.done && !r.inTail()
}

// inTail tells whether the next byte is in the tail.
func (r *flightReader) inTail() bool {
	t := &r.f.tail
	return t.at <= r.off && r.off < t.at+int64(len(t.piece))
}

// lost tells whether the next byte was in the tail and is not any more.
func (r *flightReader) lost() bool {
	return r.f.keepErr != nil && r.off >= r.f.size && r.off < r.f.tail.at
}

func (r *flightReader) Read(p []byte) (int, error) {
	f := r.f
	f.mu.Lock()
	if f.tail.reading == nil {
		f.tail.reading = map[*flightReader]bool{}
	}
	f.tail.reading[r] = true
	for r.off >= f.size && !f.done && !r.inTail() && !r.lost() && (r.ctx.Err() == nil || r.whole()) {
		f.grown.Wait()
	}
	file, size, done, bodyErr := f.file, f.size, f.done, f.bodyErr
	gone := r.ctx.Err() != nil && !r.whole()
	if r.off >= size && r.inTail() && !gone {
		defer f.mu.Unlock()
		n := copy(p, f.tail.piece[r.off-f.tail.at:])
		r.off += int64(n)
		f.grown.Broadcast()
		return n, nil
	}
	lost := r.lost()
	f.mu.Unlock()
	switch {
	case gone:
		r.err = r.ctx.Err()
	case r.off < size:
		n, err := file.ReadAt(p[:min(int64(len(p)), size-r.off)], r.off)
		r.advance(int64(n))
		if n > 0 {
			return n, nil
		}
		r.err = err
	case lost:
		r.err = errTail
	case done && bodyErr == nil:
		return 0, io.EOF
	default:
		r.err = bodyErr
	}
	return 0, r.err
}

// advance moves on, which the writer may be waiting for.
func (r *flightReader) advance(n int64) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	r.off += n
	if r.f.keepErr != nil {
		r.f.grown.Broadcast()
	}
}

// whole tells whether all of the body has been read and only its commit is
// waited for, which the client's leaving must not look like a failure.
func (r *flightReader) whole() bool { return r.f.length >= 0 && r.off >= r.f.length }

// Seek works on the announced length.
func (r *flightReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.off
	case io.SeekEnd:
		offset += r.f.length
	}
	if offset < 0 {
		return 0, os.ErrInvalid
	}
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	r.off = offset
	return offset, nil
}
