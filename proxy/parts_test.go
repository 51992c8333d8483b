package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const large = nearRange + 1<<20

// TestPartsOfLargeFiles: a small part costs a small part, is kept as such, and
// the whole file costs the rest.
func TestPartsOfLargeFiles(t *testing.T) {
	doc := newDocument(large)
	doc.etag, doc.ranges = `"1"`, true
	r := newRig(t, doc, rigOptions{})
	const u = host + "/a-1.0.0.whl"
	part := func(r *rig, from, to int, o Outcome) {
		t.Helper()
		a := r.get(u, "Range", fmt.Sprintf("bytes=%d-%d", from, to))
		r.want(a, 206, string(doc.body[from:to+1]), o)
		if got := a.Header.Get("Content-Range"); got != fmt.Sprintf("bytes %d-%d/%d", from, to, large) {
			t.Errorf("Content-Range %q", got)
		}
	}
	part(r, 5000, 5999, Miss)
	if _, err := os.Lstat(filepath.Join(r.dir, "registry.example/a-1.0.0.whl")); err == nil {
		t.Error("a part is kept as if it were the file")
	}
	part(r, 5000, 5999, Hit)
	part(r, 5100, 5200, Hit)
	part(r, 5500, 6499, Miss)
	part(r, 5000, 6499, Hit)
	r.want(r.get(u, "Range", "bytes=-100"), 206, string(doc.body[large-100:]), Miss)
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	part(off, 5000, 6499, Hit)
	off.want(off.get(u, "Range", "bytes=-100"), 206, string(doc.body[large-100:]), Hit)
	a := off.get(u, "Range", "bytes=0-99")
	off.want(a, 403, a.body, Refused)

	on := off.again(doc, rigOptions{})
	on.want(on.get(u, "Range", "bytes=6500-"), 206, string(doc.body[6500:]), Miss)
	before := doc.ranged.Load()
	a = on.get(u)
	if a.StatusCode != 200 || a.body != string(doc.body) || a.Header.Get("Content-Range") != "" {
		t.Errorf("whole: %d, %d bytes", a.StatusCode, len(a.body))
	}
	if x := on.last(); x.Network != 5000 || doc.ranged.Load() != before+1 {
		t.Errorf("%d bytes came from the network for what was missing, in %d parts", x.Network, doc.ranged.Load()-before)
	}
	b, err := os.ReadFile(filepath.Join(r.dir, "registry.example/a-1.0.0.whl"))
	if err != nil || !bytes.Equal(b, doc.body) {
		t.Errorf("the file has %d bytes, %v", len(b), err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, ".cachex/parts/*/*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	part(on, 0, 99, Hit)
}

// TestParallelRanges is a downloader with several connections.
func TestParallelRanges(t *testing.T) {
	doc := newDocument(large)
	doc.etag, doc.ranges = `"1"`, true
	r := newRig(t, doc, rigOptions{})
	const u, pieces = host + "/a-1.0.0.bin", 8
	got := make([]string, pieces)
	var all sync.WaitGroup
	for i := range pieces {
		all.Go(func() {
			to := fmt.Sprint((i+1)*large/pieces - 1)
			if i == pieces-1 {
				to = ""
			}
			got[i] = r.get(u, "Range", fmt.Sprintf("bytes=%d-%s", i*large/pieces, to)).body
		})
	}
	all.Wait()
	whole := ""
	for _, s := range got {
		whole += s
	}
	if whole != string(doc.body) {
		t.Errorf("%d bytes of %d, or others", len(whole), large)
	}
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	if a := off.get(u); a.StatusCode != 200 || a.body != string(doc.body) {
		t.Errorf("offline: %d, %d bytes", a.StatusCode, len(a.body))
	}
}

// TestPartsOfAnotherState: parts of what has changed are not put together.
func TestPartsOfAnotherState(t *testing.T) {
	for _, etag := range []string{`"1"`, ""} { // without a validator parts are never joined
		doc := newDocument(large)
		doc.etag, doc.ranges = etag, true
		doc.breaks, doc.stall = 1, time.Minute // the whole file, of which a part is wanted, must not come in time
		r := newRig(t, doc, rigOptions{})
		const u = host + "/a-1.0.0.whl"
		r.want(r.get(u, "Range", "bytes=0-4999"), 206, string(doc.body[:5000]), Miss)
		next := newDocument(large)
		next.body[0]++
		next.etag, next.ranges = etag, true
		if etag != "" {
			next.etag = `"2"`
		}
		on := r.again(next, rigOptions{})
		a := on.get(u)
		if a.StatusCode != 200 || a.body != string(next.body) {
			t.Errorf("etag %q: %d, %d bytes, or a mixture", etag, a.StatusCode, len(a.body))
		}
		on.stop()
	}
}

// TestPartsOfAnotherScheme: parts that came over https are not completed over
// http, nor the other way round, though a validator is the same: the two are two
// resources (RFC 9110 section 4.2.2).
func TestPartsOfAnotherScheme(t *testing.T) {
	for _, order := range [][]string{{"https", "http"}, {"http", "https"}} {
		docs := map[string]*document{"https": newDocument(large), "http": newDocument(large)}
		for _, d := range docs {
			d.etag, d.ranges = `"1"`, true
		}
		for i := range docs["http"].body {
			docs["http"].body[i] ^= 1
		}
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			scheme := "http"
			if req.TLS != nil {
				scheme = "https"
			}
			docs[scheme].ServeHTTP(w, req)
		}), rigOptions{})
		const rest = "://registry.example/a-1.0.0.whl"
		first, second := order[0], order[1]
		r.want(r.get(first+rest, "Range", "bytes=0-4999"), 206, string(docs[first].body[:5000]), Miss)
		// Over http one may go on with what is just coming over https, and break
		// with it: here that would be the whole file, of which nobody wants more.
		r.proxy.flights.running.Wait()
		if a := r.get(second + rest); a.StatusCode != 200 || a.body != string(docs[second].body) {
			t.Errorf("%s after a part over %s: %d, %d bytes, or a mixture", second, first, a.StatusCode, len(a.body))
		}
		r.stop()
	}
}

// TestBrokenPartIsKeptAsFarAsItCame, for a client that goes on from there.
func TestBrokenPartIsKeptAsFarAsItCame(t *testing.T) {
	doc := newDocument(large)
	doc.etag, doc.ranges = `"1"`, true
	r := newRig(t, doc, rigOptions{})
	const u = host + "/a-1.0.0.whl"
	r.want(r.get(u, "Range", "bytes=0-9"), 206, string(doc.body[:10]), Miss)
	doc.breaks = 100
	from := large - 3000
	if a := r.get(u, "Range", fmt.Sprintf("bytes=%d-", from)); a.err == nil {
		t.Errorf("a cut part was delivered whole: %d bytes", len(a.body))
	}
	r.wantOutcome(Error)
	if a := r.get(u, "Range", "bytes=0-9"); a.body != string(doc.body[:10]) {
		t.Error("the part before is gone")
	}
}

// TestOriginWithoutRanges: a part of what only comes whole.
func TestOriginWithoutRanges(t *testing.T) {
	doc := newDocument(large)
	r := newRig(t, doc, rigOptions{})
	const u = host + "/a-1.0.0.whl"
	r.want(r.get(u, "Range", "bytes=100-199"), 206, string(doc.body[100:200]), Miss)
	r.want(r.get(u, "Range", "bytes=-10"), 206, string(doc.body[large-10:]), Miss) // it has all come for that
	r.want(r.get(u, "Range", "bytes=-20"), 206, string(doc.body[large-20:]), Hit)
}

// TestPartOfSmallFile: the file comes as a whole, though the client and the run
// end early.
func TestPartOfSmallFile(t *testing.T) {
	doc := newDocument(2 << 20)
	slow := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(doc.body)))
		w.Write(doc.body[:1<<20])
		w.(http.Flusher).Flush()
		time.Sleep(100 * time.Millisecond)
		w.Write(doc.body[1<<20:])
	})
	r := newRig(t, slow, rigOptions{})
	const u = host + "/a-1.0.0.whl"
	r.want(r.get(u, "Range", "bytes=0-9"), 206, string(doc.body[:10]), Miss)
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	if a := off.get(u); a.StatusCode != 200 || a.body != string(doc.body) {
		t.Errorf("offline: %d, %d bytes", a.StatusCode, len(a.body))
	}
}
