package store

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestPartsStayWithTheirState: while one writer keeps parts of one state of a
// document after those of another, nobody reads the bytes of one under the
// description of the other.
func TestPartsStayWithTheirState(t *testing.T) {
	s := newRig(t).Store
	k := Key{Host: "registry.example", Target: "/large"}
	const size = 4096
	now := time.Now()
	write := func(state byte, from int64) {
		m := PartsMeta{
			Meta:  Meta{URL: k.URL("https"), Status: http.StatusOK, Header: http.Header{}, Requested: now, Received: now},
			Total: 2 * size, Validator: `"` + string(state) + `"`,
		}
		w, err := s.CreatePart(k, "", m, from)
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Close()
		w.Write(bytes.Repeat([]byte{state}, size/2))
		if _, err := w.Commit(); err != nil {
			t.Error(err)
		}
	}
	var reading sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					checkParts(t, s, k)
				}
			}
		})
	}
	for i := range 100 {
		state := byte('a' + i%2)
		write(state, size) // the later part first: the file has a hole before it
		write(state, 0)
	}
	close(stop)
	reading.Wait()
	if p, err := s.Parts(k, ""); err != nil || len(p.Ranges) != 2 {
		t.Errorf("%+v, %v", p, err)
	} else {
		p.Close()
	}
}

func checkParts(t *testing.T, s *Store, k Key) {
	p, err := s.Parts(k, "")
	if err != nil {
		return
	}
	defer p.Close()
	for _, r := range p.Ranges {
		b, err := io.ReadAll(io.NewSectionReader(p.File, r.From, r.To-r.From))
		if want := bytes.Repeat([]byte{p.Validator[1]}, int(r.To-r.From)); err != nil || !bytes.Equal(b, want) {
			t.Errorf("state %s, %v: other bytes, or %v", p.Validator, r, err)
		}
	}
}
