package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// maxText bounds the body of an error answer that is held in memory.
const maxText = 64 << 10

// takeText keeps an answer that is no document: an error or a redirect. A
// longer text is not kept.
func (f *flight) takeText(want fetch, resp *http.Response, m *store.Meta) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxText+1))
	if err != nil {
		resp.Body.Close()
		f.fail(err)
		return
	}
	if len(text) > maxText {
		f.keep = policy.Keep{Reason: "the text of an error is longer than 64 KiB"}
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(text), resp.Body), resp.Body}
		f.unkept(resp)
		return
	}
	resp.Body.Close()
	f.text, f.size, f.received = text, int64(len(text)), int64(len(text))
	m.Body, m.FetchMS = text, f.p.now().Sub(m.Requested).Milliseconds()
	if f.p.tells(text, want, resp) {
		m.Body = nil
	}
	if err := f.p.Store.PutStatus(f.id.key, want.variant, m); err != nil {
		f.keepErr = err
	}
	f.sum = m.SHA256
	f.finish(flightKept)
	f.end(nil)
}

// takeBody copies a body to the file and wakes those who read it. What breaks
// on the way is taken up again where it broke.
func (f *flight) takeBody(want fetch, body io.Reader, m *store.Meta) {
	// Other processes learn of it when more is to come than the first piece: to
	// tell them of a body that is whole by then would cost as much as to keep it.
	err := f.copyBody(body, func() { f.publish(want, m) })
	for try := 0; try < maxResumes && resumable(err) && !f.takenOver; try++ {
		had := f.network()
		var rest io.ReadCloser
		if rest, err = f.resume(want, m, try); err == nil {
			err = f.copyBody(rest, nil)
			rest.Close()
		}
		if f.network() > had {
			try = -1 // it comes, if slowly
		}
	}
	if err != nil {
		f.writer.Abort()
		want.lock.Unlock()
		f.end(err)
		return
	}
	m.FetchMS = f.p.now().Sub(m.Requested).Milliseconds()
	m.Header = m.Header.Clone()
	if f.keepError() == nil {
		err := f.verify.Check()
		if err == nil && !f.keep.OK {
			err = errors.New(f.keep.Reason)
		}
		if err == nil {
			f.p.preserve(f.id.key, want.variant, f.writer.SHA256())
			err = f.writer.Commit(f.id.key, want.variant, m)
		}
		if err == nil {
			f.p.Store.DropParts(f.id.key, want.variant)
		}
		f.mu.Lock()
		f.keepErr, f.sum = err, m.SHA256
		f.mu.Unlock()
	}
	// Before the clients know: who asks again must not be sent the same again.
	want.lock.Unlock()
	f.end(nil)
}

// copyBody appends until the end of a body. It calls waiting, which may be nil,
// once: before it waits for a second piece.
func (f *flight) copyBody(body io.Reader, waiting func()) error {
	buf := f.p.buffers.get()
	defer f.p.buffers.put(buf)
	for {
		n, err := body.Read(buf[:])
		if n > 0 {
			if werr := f.append(buf[:n]); werr != nil {
				return &appendError{werr}
			}
		}
		switch {
		case err == io.EOF && f.length >= 0 && f.received < f.length:
			return io.ErrUnexpectedEOF
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case waiting != nil && n > 0 && f.received != f.length:
			waiting()
			waiting = nil
		}
	}
}

// appendError tells that not the network but our side has failed.
type appendError struct{ error }

// append adds bytes to the file. When the disk is full it hands them to the
// readers: a full disk must not fail a build.
func (f *flight) append(b []byte) error {
	f.verify.Write(b)
	if f.keepErr != nil {
		return f.hand(b)
	}
	n, err := f.writer.Write(b)
	f.grow(f.writer.File(), f.writer.Size())
	f.mu.Lock()
	f.received += int64(n)
	f.came = f.p.now()
	f.keepErr = err
	f.tail.at = f.writer.Size()
	f.grown.Broadcast()
	f.mu.Unlock()
	if err == nil {
		return nil
	}
	f.p.flights.forget(f) // who comes now would not get what is no longer there
	return f.hand(b[n:])
}

// end tells all readers that no more will come.
func (f *flight) end(err error) {
	f.p.flights.forget(f)
	f.mu.Lock()
	f.done, f.bodyErr = true, err
	f.grown.Broadcast()
	f.mu.Unlock()
}
