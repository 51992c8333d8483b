package proxy

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

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
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				if resp.StatusCode != http.StatusRequestEntityTooLarge || string(b) != "too large" || err != nil {
					t.Errorf("%s %q, %v", resp.Status, b, err)
				}
				client.CloseIdleConnections()
			})
		}
	}
}
