package proxy

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

// gone is a client that has left when a number of bytes was sent.
type gone struct {
	*httptest.ResponseRecorder
	after int
}

func (g gone) FlushError() error {
	if g.Body.Len() >= g.after {
		return errors.New("client disconnected")
	}
	return nil
}

// TestClientWithTheWholeLength: one that goes when it has all is no failure, one
// that goes before is.
func TestClientWithTheWholeLength(t *testing.T) {
	for length, fails := range map[int64]bool{3: false, 4: true, -1: true} {
		p := &Proxy{}
		w := &responseMeter{ResponseWriter: gone{httptest.NewRecorder(), 3}}
		err := p.stream(w, 200, always{strings.NewReader("abc")}, length)
		if (err != nil) != fails {
			t.Errorf("length %d: %v", length, err)
		}
	}
}
