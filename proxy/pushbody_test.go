package proxy

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPushAhead: a push is taken from its client although upstream takes
// nothing yet, and reaches upstream whole.
func TestPushAhead(t *testing.T) {
	sent := make(chan struct{})
	pack := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // more than any window
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-sent:
		case <-time.After(20 * time.Second):
			t.Error("the client still sends")
		}
		got, err := io.ReadAll(req.Body)
		if err != nil || !bytes.Equal(got, pack) {
			t.Errorf("upstream got %d of %d bytes: %v", len(got), len(pack), err)
		}
		io.WriteString(w, "done")
	}), rigOptions{})
	client := r.client(true)
	body := &noticed{Reader: bytes.NewReader(pack), ended: sent}
	req, err := http.NewRequest(http.MethodPost, host+"/r.git/git-receive-pack", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); string(b) != "done" || err != nil {
		t.Errorf("%s %q, %v", resp.Status, b, err)
	}
}

// noticed closes a channel at its end.
type noticed struct {
	io.Reader
	ended chan struct{}
}

func (n *noticed) Read(p []byte) (int, error) {
	c, err := n.Reader.Read(p)
	if err == io.EOF {
		close(n.ended)
	}
	return c, err
}

// TestPushBreaksOff: a client that goes away in the middle of a push leaves
// nothing of it, neither at work nor on disk, and upstream sees no whole push.
func TestPushBreaksOff(t *testing.T) {
	began, broke := make(chan struct{}), make(chan error, 1)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		io.ReadFull(req.Body, make([]byte, 1<<10))
		close(began)
		_, err := io.Copy(io.Discard, req.Body)
		broke <- err
	}), rigOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := r.client(true)
	body, w := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, host+"/r.git/git-receive-pack", body)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Write(make([]byte, 1<<20))
		<-began
		cancel()
	}()
	if _, err := client.Do(req); err == nil {
		t.Error("an answer came")
	}
	w.Close()
	<-done
	if err := <-broke; err == nil {
		t.Error("upstream takes what it got for a whole push")
	}
}

// TestPushWithoutRoom: a directory that takes no file slows a push down, and
// loses nothing of it.
func TestPushWithoutRoom(t *testing.T) {
	pack := bytes.Repeat([]byte("fedcba9876543210"), 1<<17)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if got, err := io.ReadAll(req.Body); err != nil || !bytes.Equal(got, pack) {
			t.Errorf("upstream got %d of %d bytes: %v", len(got), len(pack), err)
		}
	}), rigOptions{})
	if err := os.RemoveAll(filepath.Join(r.dir, ".cachex", "tmp")); err != nil {
		t.Fatal(err)
	}
	resp, err := r.client(true).Post(host+"/r.git/git-receive-pack", "application/x-git-receive-pack-request", bytes.NewReader(pack))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
}
