package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestEndOfRunWithUpgradedConnection: a server that keeps an upgraded connection
// open after its client has gone does not keep the run open.
func TestEndOfRunWithUpgradedConnection(t *testing.T) {
	released := make(chan struct{})
	defer close(released)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		<-released // whatever the client does
	}), rigOptions{})
	c, err := r.dial(t.Context(), "tcp", net.JoinHostPort("registry.example", "80"))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET /x HTTP/1.1\r\nHost: registry.example\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	c.Close()
	stopped := make(chan struct{})
	go func() {
		r.stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(20 * time.Second):
		t.Fatal("the run does not end")
	}
}

// TestClientThatKnowsTheEnd: a client that finds the end in a body of unknown length
// leaves before the server says that it was the end. The answer is kept, also at the
// end of a run; one of which more was to come is not.
func TestClientThatKnowsTheEnd(t *testing.T) {
	for what, late := range map[string]bool{"whole": false, "cut": true} {
		t.Run(what, func(t *testing.T) {
			gone := make(chan struct{})
			r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				io.WriteString(w, "all of it")
				w.(http.Flusher).Flush()
				<-gone
				if late { // more than the client waited for, and not soon
					select {
					case <-req.Context().Done():
					case <-time.After(20 * time.Second):
						t.Error("nobody gave the request up")
					}
				}
			}), rigOptions{})
			c, err := r.dial(t.Context(), "tcp", net.JoinHostPort("registry.example", "80"))
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, "GET /a-1.0.0.tgz HTTP/1.1\r\nHost: registry.example\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len("all of it"))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "all of it" {
				t.Fatalf("%q, %v", got, err)
			}
			c.Close()
			time.AfterFunc(100*time.Millisecond, func() { close(gone) }) // the server notices later than the proxy
			r.stop()
			want, status := Miss, 200
			if late {
				want, status = Error, 403
			}
			r.wantOutcome(want)
			off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
			if a := off.get("http://registry.example/a-1.0.0.tgz"); a.StatusCode != status || !late && a.body != "all of it" {
				t.Errorf("afterwards: %d %q", a.StatusCode, a.body)
			}
		})
	}
}
