package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"cachex/proxy/store"
)

// asking is a client that calls the handler: no connection, so that what is
// measured is the cache.
func asking(p *Proxy, path string) *httptest.ResponseRecorder {
	c := &conn{dest: destination{"registry.example", 443}, scheme: "https"}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "registry.example"
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r.WithContext(context.WithValue(context.Background(), connKey{}, c)))
	return w
}

// scaleProxy is a proxy whose upstream is in this process.
func scaleProxy(tb testing.TB, dir string) *Proxy {
	s, err := store.Open(dir, false)
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Store: s, serving: context.Background(), Upstream: roundTripper(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Length", strconv.Itoa(len(scaleBody)))
		io.WriteString(w, scaleBody)
		resp := w.Result()
		resp.Request = r
		return resp, nil
	})}
	tb.Cleanup(func() {
		p.flights.running.Wait()
		s.Close()
	})
	return p
}

const scaleBody = "the bytes of a document"

func scalePath(i int) string {
	return fmt.Sprintf("/%02x/pkg-%d/-/pkg-%d-1.0.0.tgz", i%256, i/256%256, i)
}

// TestTenThousandURLs fetches so many that what is held for each would show.
func TestTenThousandURLs(t *testing.T) {
	p := scaleProxy(t, t.TempDir())
	const n = 10_000
	fetch := func(from, to int) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := from + w; i < to; i += 8 {
					if a := asking(p, scalePath(i)); a.Code != http.StatusOK || a.Body.String() != scaleBody {
						t.Errorf("%s: %d %q", scalePath(i), a.Code, a.Body)
					}
				}
			})
		}
		wg.Wait()
		p.flights.running.Wait()
	}
	fetch(0, 100) // what is made once for all
	before := heap()
	fetch(100, n)
	grown := heap() - before
	t.Logf("%d documents: the heap has grown by %d KB", n, grown>>10)
	if grown > n*100 {
		t.Errorf("%d documents hold %d bytes each", n, grown/n)
	}
	if left := p.flights.len(); left != 0 {
		t.Errorf("%d flights are left", left)
	}
}

// BenchmarkMiss is what a fetch costs that is kept.
func BenchmarkMiss(b *testing.B) {
	p := scaleProxy(b, b.TempDir())
	for i := 0; b.Loop(); i++ {
		if a := asking(p, scalePath(i)); a.Code != http.StatusOK {
			b.Fatal(a.Code)
		}
	}
}

// BenchmarkOpen is what it takes to open a directory, and BenchmarkHitInTree to
// serve from it, when its entries lie as those of registries do (see entries).
func BenchmarkOpen(b *testing.B) {
	for _, n := range entries() {
		dir := b.TempDir()
		fillStore(b, dir, n)
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			for b.Loop() {
				s, err := store.Open(dir, false)
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
		})
	}
}

// BenchmarkHitInTree looks up entries that are far from one another, by turns in
// a small tree and in a large one: on a machine with other work, two benchmarks
// one after the other say little. "growth" is the large one's time over the
// small one's.
func BenchmarkHitInTree(b *testing.B) {
	sizes := entries()
	var trees []*Proxy
	for _, n := range sizes {
		dir := b.TempDir()
		fillStore(b, dir, n)
		trees = append(trees, scaleProxy(b, dir))
	}
	b.ReportAllocs()
	spent := make([]time.Duration, len(sizes))
	const turn = 100
	asked := 0
	for b.Loop() {
		for at, n := range sizes {
			start := time.Now()
			for i := range turn {
				a := asking(trees[at], scalePath((asked+i)*7919%n))
				if a.Code != http.StatusOK || a.Header().Get("Cache-Status") != "cachex; hit" {
					b.Fatalf("%d %v", a.Code, a.Header())
				}
			}
			spent[at] += time.Since(start)
		}
		asked += turn
	}
	for at, n := range sizes {
		b.ReportMetric(float64(spent[at].Nanoseconds())/float64(asked), fmt.Sprintf("ns/hit-of-%d", n))
	}
	b.ReportMetric(float64(spent[len(spent)-1])/float64(spent[0]), "growth")
}

// linksOfOne is how many names a file may have on common file systems, and some
// left over.
const linksOfOne = 50_000

// fillStore keeps so many entries: some by way of the store, and the others as
// links to the same bodies, with metadata of their own.
func fillStore(b *testing.B, dir string, n int) {
	b.Helper()
	s, err := store.Open(dir, false)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	start := time.Now()
	var wg sync.WaitGroup
	for first := 0; first < n; first += linksOfOne {
		wg.Go(func() {
			if err := putMany(s, first, min(first+linksOfOne, n)); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	b.Logf("%d entries made in %v", n, time.Since(start).Round(time.Millisecond))
}

// putMany makes entries that share one body.
func putMany(s *store.Store, first, end int) error {
	if err := putOne(s, scalePath(first)); err != nil {
		return err
	}
	name := func(i int) (body, meta string) {
		n := store.Key{Host: "registry.example", Target: scalePath(i)}.Name("")
		return filepath.Join(s.Dir(), n), filepath.Join(s.Dir(), ".cachex/meta", n+"%.json")
	}
	body, meta := name(first)
	template, err := os.ReadFile(meta)
	if err != nil {
		return err
	}
	for i := first + 1; i < end; i++ {
		toBody, toMeta := name(i)
		err := errors.Join(os.MkdirAll(filepath.Dir(toBody), 0o755), os.MkdirAll(filepath.Dir(toMeta), 0o755), os.Link(body, toBody),
			os.WriteFile(toMeta, bytes.Replace(template, []byte(scalePath(first)), []byte(scalePath(i)), 1), 0o644))
		if err != nil {
			return err
		}
	}
	return nil
}

func putOne(s *store.Store, path string) error {
	w, err := s.Create()
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.WriteString(w, scaleBody); err != nil {
		return err
	}
	k := store.Key{Host: "registry.example", Target: path}
	now := time.Now()
	return w.Commit(k, "", &store.Meta{URL: k.URL("https"), Status: http.StatusOK, Header: http.Header{"Etag": {`"1"`}}, Requested: now, Received: now})
}
