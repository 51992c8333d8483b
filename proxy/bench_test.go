package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"cachex/proxy/store"
)

// entries are the sizes of the folder that hits are measured in. A million take
// minutes to make: CACHEX_ENTRIES=1000000 adds them.
func entries() []int {
	sizes := []int{1000}
	if n, err := strconv.Atoi(os.Getenv("CACHEX_ENTRIES")); err == nil && n > 0 {
		sizes = append(sizes, n)
	}
	return sizes
}

// BenchmarkHit serves kept artifacts of 1 KiB, all in one folder, without the
// network: the cost of a look-up and of what is sent.
func BenchmarkHit(b *testing.B) {
	for _, n := range entries() {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			s, err := store.Open(b.TempDir(), false)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			target := func(i int) string { return fmt.Sprintf("/a/-/a-1.0.%d.tgz", i) }
			for i := range n {
				k := store.Key{Host: "registry.example", Target: target(i)}
				w, err := s.Create()
				if err != nil {
					b.Fatal(err)
				}
				w.Write(make([]byte, 1024))
				m := &store.Meta{URL: k.URL("https"), Status: 200, Header: http.Header{"Content-Type": {"application/gzip"}}, Received: time.Unix(1, 0)}
				if err := w.Commit(k, "", m); err != nil {
					b.Fatal(err)
				}
				w.Close()
			}
			p := &Proxy{Store: s}
			c := &conn{scheme: "https", dest: destination{"registry.example", 443}}
			ctx := context.WithValue(context.Background(), connKey{}, c)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			b.ResetTimer()
			for i := range b.N {
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, target(i*7919%n), nil)
				r.Host = "registry.example"
				w := httptest.NewRecorder()
				if p.ServeHTTP(w, r); w.Code != 200 || w.Body.Len() != 1024 {
					b.Fatal(w.Code)
				}
			}
			b.StopTimer()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(int64(after.HeapInuse)-int64(before.HeapInuse))/1e6, "MB-grown")
		})
	}
}
