package proxy

import (
	"context"
	"errors"
	"io"
	"os"
)

// flightReader reads a body that is still arriving. It implements
// io.ReadSeeker for a body of known length.
type flightReader struct {
	f     *flight
	ctx   context.Context
	off   int64
	err   error // other than io.EOF
	spill []byte
	owner bool
}

func (f *flight) reader(ctx context.Context) *flightReader {
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		f.grown.Broadcast()
		f.mu.Unlock()
	})
	return &flightReader{f: f, ctx: ctx}
}

// wouldWait tells whether Read has nothing to give yet.
func (r *flightReader) wouldWait() bool {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	return r.off >= r.f.size && !r.f.done
}

func (r *flightReader) Read(p []byte) (int, error) {
	f := r.f
	f.mu.Lock()
	for r.off >= f.size && !f.done && f.spill == nil && (r.ctx.Err() == nil || r.whole()) {
		f.grown.Wait()
	}
	file, size, done, bodyErr := f.file, f.size, f.done, f.bodyErr
	spilling := f.spill != nil && r.off >= f.size
	if spilling && !f.spilled {
		f.spilled, r.owner = true, true
	}
	f.mu.Unlock()
	switch {
	case r.ctx.Err() != nil && !r.whole():
		r.err = r.ctx.Err()
	case r.off < size:
		n, err := file.ReadAt(p[:min(int64(len(p)), size-r.off)], r.off)
		r.off += int64(n)
		if n > 0 {
			return n, nil
		}
		r.err = err
	case spilling && r.owner:
		return r.readSpill(p)
	case spilling:
		r.err = errors.New("the disk is full, and another request has the rest")
	case done && bodyErr == nil:
		return 0, io.EOF
	default:
		r.err = bodyErr
	}
	return 0, r.err
}

// whole tells whether all of the body has been read and only its commit is
// waited for, which the client's leaving must not look like a failure.
func (r *flightReader) whole() bool { return r.f.length >= 0 && r.off >= r.f.length }

// readSpill takes bytes that found no room on the disk.
func (r *flightReader) readSpill(p []byte) (int, error) {
	for len(r.spill) == 0 {
		var ok bool
		select {
		case r.spill, ok = <-r.f.spill:
		case <-r.ctx.Done():
			r.err = r.ctx.Err()
			return 0, r.err
		}
		if !ok {
			r.f.mu.Lock()
			r.err = r.f.bodyErr
			r.f.mu.Unlock()
			if r.err == nil {
				return 0, io.EOF
			}
			return 0, r.err
		}
	}
	n := copy(p, r.spill)
	r.spill = r.spill[n:]
	return n, nil
}

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
	r.off = offset
	return offset, nil
}
