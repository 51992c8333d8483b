package proxy

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// zeros never end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestEarlyAnswer: a server that answers without reading what is sent to it
// leaves nobody hanging.
func TestEarlyAnswer(t *testing.T) {
	for _, up := range []bool{false, true} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("h2 up=%v down=%v", up, down), func(t *testing.T) {
				r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
					io.WriteString(w, "too large")
				}), rigOptions{noH2: !up})
				client := r.client(down)
				client.Timeout = 10 * time.Second
				req, err := http.NewRequest(http.MethodPost, host+"/up", io.LimitReader(zeros{}, 1<<30))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				resp, err := client.Do(req)
				if err == nil {
					b, rerr := io.ReadAll(resp.Body)
					resp.Body.Close()
					t.Log(resp.Status, string(b), rerr)
				}
				t.Log(err, time.Since(began))
			})
		}
	}
}
