package store

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"sync/atomic"
)

// Most answers are small, and to make their files is most of an import's work. One
// goroutine does that, while another reads the archive. What is not small waits
// for it, so that all is taken in the archive's order.

// importAhead is how many small answers may wait for their files.
const importAhead = 64

// smallAnswer is an answer whose body is what its metadata says.
type smallAnswer struct {
	*pending
	name string
	body []byte
	done chan<- struct{} // to be closed instead; nil for an answer
}

// placer is the goroutine that makes the files of small answers. Until it has
// settled, what Import counts is its own.
type placer struct {
	todo   chan smallAnswer
	ended  chan struct{} // closed when it has
	failed atomic.Bool
	err    error // the first; to be read when it has settled
	busy   bool  // something was sent since it settled
}

func (x *importing) startPlacer() {
	x.placer.todo, x.placer.ended = make(chan smallAnswer, importAhead), make(chan struct{})
	go func() {
		defer close(x.placer.ended)
		for a := range x.placer.todo {
			switch {
			case a.done != nil:
				close(a.done)
			case !x.placer.failed.Load():
				if x.placer.err = x.placeAnswer(a); x.placer.err != nil {
					x.placer.failed.Store(true)
				}
			}
		}
	}()
}

// settle waits until all small answers are in their places.
func (x *importing) settle() error {
	if x.placer.busy {
		done := make(chan struct{})
		x.placer.todo <- smallAnswer{done: done}
		<-done
		x.placer.busy = false
	}
	return x.placer.err
}

// stopPlacer is settle for the last time.
func (x *importing) stopPlacer() error {
	close(x.placer.todo)
	<-x.placer.ended
	x.near.close()
	return x.placer.err
}

// isSmall tells whether an entry of the archive is a small body that its metadata
// may be right about.
func isSmall(h *tar.Header, p *pending) bool {
	return p != nil && h.Typeflag == tar.TypeReg && h.Size <= maxHeldBody && h.Size == p.meta.Size && p.meta.HasFile()
}

// small takes a small body.
func (x *importing) small(h *tar.Header, p *pending) error {
	body := make([]byte, h.Size)
	if _, err := io.ReadFull(x.tar, body); err != nil {
		return err
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != p.meta.SHA256 {
		return x.skip(h.Name, notItsBytes)
	}
	if x.placer.failed.Load() {
		return x.settle()
	}
	x.placer.busy = true
	x.placer.todo <- smallAnswer{pending: p, name: h.Name, body: body}
	return nil
}

// placeAnswer puts a small answer into its place, unless what is here is as good.
func (x *importing) placeAnswer(a smallAnswer) error {
	fresh := x.none(a.name, metaName(a.key, a.variant))
	if fresh {
		if x.placeSmall(a.body, a.name, a.pending) {
			x.count(int64(len(a.body)))
			return nil
		}
		x.near.close() // it may be of folders that are removed
	} else if x.here(a.key, a.variant, a.pending) {
		x.Here++
		return nil
	}
	w, err := x.Create()
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(a.body); err != nil {
		return err
	}
	return x.commit(w, a.pending, fresh)
}

// commit makes a body an answer under the document's lock.
func (x *importing) commit(w *Writer, p *pending, fresh bool) error {
	lock, err := x.Lock(context.Background(), p.key, p.variant)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if fresh && x.here(p.key, p.variant, p) { // by now
		x.Here++
		return nil
	}
	variants := p.meta.VaryBy
	if err := w.Commit(p.key, p.variant, p.meta); err != nil {
		return err
	}
	return x.finish(p, variants, w.Size())
}
