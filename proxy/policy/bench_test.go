package policy

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

// BenchmarkJudge is what it takes to decide on a kept answer: an artifact by its name,
// one by a digest in its URL, and an index.
func BenchmarkJudge(b *testing.B) {
	for name, text := range map[string]string{
		"version": "https://registry.example/a/-/a-1.0.0.tgz",
		"digest":  "https://registry.example/v2/a/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"index":   "https://registry.example/simple/a/",
	} {
		u, err := url.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		now := time.Unix(1_700_000_000, 0)
		a := Answer{URL: u, Status: http.StatusOK, Requested: now, Received: now, Header: http.Header{
			"Content-Type": {"application/octet-stream"}, "Cache-Control": {"public, max-age=600"}, "Date": {now.UTC().Format(http.TimeFormat)},
		}}
		req := http.Header{"User-Agent": {"a/1.0"}, "Accept": {"*/*"}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !Artifacts.Judge(req, a, now.Add(time.Minute)).Fresh {
					b.Fatal("it is not fresh")
				}
			}
		})
	}
}
