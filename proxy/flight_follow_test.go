package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"cachex/proxy/store"
)

// slowOrigin sends a body in two halves, the second when it is told to.
type slowOrigin struct {
	body []byte
	more chan struct{}
	bare bool // nothing tells which version it is
	gzip bool // whoever accepts it gets that
}

func (o *slowOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(len(o.body)))
	if !o.bare {
		w.Header().Set("ETag", `"1"`)
	}
	if o.gzip && r.Header.Get("Accept-Encoding") == "gzip" {
		w.Header().Del("Content-Length")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("ETag", `"1-gzip"`)
		z := gzip.NewWriter(w)
		z.Write(o.body)
		z.Close()
		return
	}
	w.Write(o.body[:len(o.body)/2])
	http.NewResponseController(w).Flush()
	select {
	case <-o.more:
	case <-r.Context().Done():
		return
	}
	w.Write(o.body[len(o.body)/2:])
}

// startReading requests a document and reads the first half of it.
func startReading(t *testing.T, ctx context.Context, r *rig, n int, header ...string) (io.ReadCloser, []byte) {
	t.Helper()
	path := "/a-1.0.0.tgz"
	if len(header) > 0 {
		path = "/index"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://registry.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.client(true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	half := make([]byte, n)
	if _, err := io.ReadFull(resp.Body, half); err != nil {
		t.Fatal(err)
	}
	return resp.Body, half
}

// Two runs on one directory: the second reads what the first downloads.
func TestFollowsAnotherRun(t *testing.T) {
	o := &slowOrigin{body: bytes.Repeat([]byte("0123456789"), 50_000), more: make(chan struct{})}
	first := newRig(t, o, rigOptions{})
	second := newRig(t, o, rigOptions{dir: first.dir})
	body1, half1 := startReading(t, t.Context(), first, len(o.body)/2)
	body2, half2 := startReading(t, t.Context(), second, len(o.body)/2)
	close(o.more)
	for i, b := range []struct {
		half []byte
		rest io.ReadCloser
	}{{half1, body1}, {half2, body2}} {
		rest, err := io.ReadAll(b.rest)
		b.rest.Close()
		if err != nil || !bytes.Equal(append(b.half, rest...), o.body) {
			t.Errorf("run %d: %d bytes, %v", i+1, len(b.half)+len(rest), err)
		}
	}
	if n := len(second.hits); n != 0 {
		t.Errorf("the second run asked upstream: %v", second.hits)
	}
	second.stop()
	if x := second.seen[0]; x.Outcome != Hit || x.Network != 0 || x.SHA256 == "" {
		t.Errorf("the second run's account: %+v", x)
	}
}

// What comes over plain http is not followed by an encrypted request.
func TestPlainIsNotFollowed(t *testing.T) {
	o := &slowOrigin{body: bytes.Repeat([]byte("0123456789"), 50_000), more: make(chan struct{})}
	first := newRig(t, o, rigOptions{})
	second := newRig(t, text("encrypted"), rigOptions{dir: first.dir})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://registry.example/a-1.0.0.tgz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := first.client(false).Do(req) // which has a header, so that there is something to follow
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := make(chan answer, 1)
	go func() { got <- second.get("https://registry.example/a-1.0.0.tgz") }()
	time.AfterFunc(50*time.Millisecond, func() { close(o.more) })
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	second.want(<-got, 200, "encrypted", Miss)
}

// When the first of them ends early, the second still gets every byte.
func TestTakesOver(t *testing.T) {
	o := &slowOrigin{body: bytes.Repeat([]byte("0123456789"), 50_000), more: make(chan struct{})}
	first := newRig(t, o, rigOptions{})
	second := newRig(t, o, rigOptions{dir: first.dir})
	ctx, cancel := context.WithCancel(t.Context())
	body1, _ := startReading(t, ctx, first, len(o.body)/2)
	body2, half := startReading(t, t.Context(), second, len(o.body)/2)
	cancel()
	body1.Close()
	time.AfterFunc(50*time.Millisecond, func() { close(o.more) })
	rest, err := io.ReadAll(body2)
	body2.Close()
	if err != nil || !bytes.Equal(append(half, rest...), o.body) {
		t.Errorf("%d bytes, %v", len(half)+len(rest), err)
	}
	second.stop()
	if x := second.seen[0]; x.Outcome != Miss || x.Network != int64(len(o.body)) {
		t.Errorf("the second run's account: %+v", x)
	}
}

// The first has asked for the document as it is, for its client wants a part of
// it. The second, which would ask for it compressed, goes on with what it has.
func TestTakesOverAsItCame(t *testing.T) {
	o := &slowOrigin{body: bytes.Repeat([]byte("0123456789"), 50_000), more: make(chan struct{}), gzip: true}
	first := newRig(t, o, rigOptions{near: 1000})
	second := newRig(t, o, rigOptions{dir: first.dir})
	ctx, cancel := context.WithCancel(t.Context())
	body1, _ := startReading(t, ctx, first, len(o.body)/2, "Range", "bytes=0-")
	body2, half := startReading(t, t.Context(), second, len(o.body)/2, "Accept", "*/*")
	cancel()
	body1.Close()
	time.AfterFunc(50*time.Millisecond, func() { close(o.more) })
	rest, err := io.ReadAll(body2)
	body2.Close()
	if err != nil || !bytes.Equal(append(half, rest...), o.body) {
		t.Errorf("%d bytes, %v", len(half)+len(rest), err)
	}
}

// Who followed a download that ended does not go on with that of another
// version, which the next run has begun, when nothing tells the two apart:
// halves of two are neither.
func TestFollowsNoOtherVersion(t *testing.T) {
	o := &slowOrigin{body: bytes.Repeat([]byte("1"), 500_000), more: make(chan struct{}), bare: true}
	first := newRig(t, o, rigOptions{})
	second := newRig(t, o, rigOptions{dir: first.dir})
	ctx, cancel := context.WithCancel(t.Context())
	body1, _ := startReading(t, ctx, first, 250_000)
	body2, _ := startReading(t, t.Context(), second, 250_000)
	defer body2.Close()
	third := make(chan error)
	waiting := make(chan struct{})
	go func() {
		third <- otherVersion(t.Context(), first.proxy.Store, bytes.Repeat([]byte("2"), 500_000), waiting)
	}()
	<-waiting
	cancel()
	body1.Close()
	time.AfterFunc(200*time.Millisecond, func() { close(o.more) })
	rest, err := io.ReadAll(body2)
	if bytes.ContainsRune(rest, '2') {
		t.Errorf("half of the first and then %d bytes to the end of the second, %v", len(rest), err)
	}
	if err := <-third; err != nil {
		t.Error(err)
	}
}

// otherVersion is the next run in line: it has another version, at once.
func otherVersion(ctx context.Context, s *store.Store, body []byte, waiting chan<- struct{}) error {
	k := store.Key{Host: "registry.example", Target: "/a-1.0.0.tgz"}
	close(waiting)
	w, err := s.Create()
	if err != nil {
		return err
	}
	defer w.Close() // after Unlock, as the contract of Publish wants it
	l, err := s.Lock(ctx, k, "")
	if err != nil {
		return err
	}
	defer l.Unlock()
	m := &store.Meta{URL: k.URL("https"), Status: http.StatusOK, Header: http.Header{}, Received: time.Now()}
	if err := l.Publish(w, "", m, int64(len(body))); err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond) // for who follows to look
	return w.Commit(k, "", m)
}
