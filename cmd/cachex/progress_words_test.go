package main

import (
	"testing"
	"time"

	"cachex/cmd/cachex/report"
	"cachex/proxy"
)

func TestProgressWords(t *testing.T) {
	now := time.Unix(0, 0)
	w := progressWords{now: func() time.Time { return now }}
	step := func(d time.Duration, c report.Counts, want string, under ...proxy.Live) {
		t.Helper()
		now = now.Add(d)
		if got := w.of(c, under); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	small := proxy.Live{URL: "https://registry.example/a-1.0.0.tgz?x=1", Received: 500_000, Length: 1_000_000}
	large := proxy.Live{URL: "https://registry.example/b\x1b[2J.tgz", Received: 1_000_000, Length: 10_000_000}
	step(0, report.Counts{}, "cachex: 0 requests, 0 B cached, 0 B fetched")
	step(0, report.Counts{Requests: 2}, "cachex: 3 requests, 0 B cached, 0 B fetched; 1 under way", proxy.Live{URL: "https://registry.example/"})
	step(time.Second, report.Counts{Requests: 2, BytesCache: 5000}, "cachex: 4 requests, 5.0 kB cached, 1.5 MB fetched, 1.5 MB/s; 2 downloads: b%1B[2J.tgz 10% of 10 MB", small, large)
	step(time.Second, report.Counts{Requests: 3, BytesNetwork: 1_000_000}, "cachex: 4 requests, 0 B cached, 3.0 MB fetched, 1.5 MB/s; 1 download: x 2.0 MB",
		proxy.Live{URL: "https://registry.example/x", Received: 2_000_000, Length: -1})
	step(10*time.Second, report.Counts{Requests: 4, BytesNetwork: 3_000_000}, "cachex: 4 requests, 0 B cached, 3.0 MB fetched")
}
