package store

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// An answer that is replaced, freshened and invalidated by several processes at
// once is never taken for a user's file: its bytes and its metadata stay
// together.
func TestEditsStayTogether(t *testing.T) {
	r := newRig(t)
	k := key("/index")
	var wg, reading sync.WaitGroup
	done := make(chan struct{})
	for i := range 3 {
		other := openDir(t, r.dir, false) // as another process has it
		wg.Go(func() {
			for n := range 150 {
				if err := edit(other, k, i, n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	reading.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if f := lookUp(r.Store, "/index"); f.own || f.status == http.StatusOK && f.body != strings.Repeat("x", len(f.body)) {
				t.Errorf("found %+v", f)
				return
			}
		}
	})
	wg.Wait()
	close(done)
	reading.Wait()
	if f := lookUp(r.Store, "/index"); f.own {
		t.Errorf("in the end there is %+v", f)
	}
	r.clean()
}

// edit does one of the things that change an answer.
func edit(s *Store, k Key, i, n int) error {
	switch n % 4 {
	case 0, 1: // without a lock, as who has waited too long for one
		w, err := s.Create()
		if err != nil {
			return err
		}
		defer w.Close()
		io.WriteString(w, strings.Repeat("x", 1+i*1000+n))
		return w.Commit(k, "", metaOf(k, http.StatusOK))
	case 2:
		e, err := s.Get(k, "")
		if err != nil {
			return nil // between the two renames
		}
		defer e.Close()
		if e.Own {
			return fmt.Errorf("found %+v as a user's", e.Meta)
		}
		m := e.Meta
		m.FetchMS++
		s.Touch(k, "", m) // which fails when it was replaced
		return nil
	}
	return s.Invalidate(k)
}
