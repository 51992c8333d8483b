package report

import (
	"fmt"
	"testing"
)

// manyExchanges are what a large build asks for, some of it hostile.
func manyExchanges(n int) []Exchange {
	outcomes := []string{Hit, Hit, Hit, Miss, Revalidated, Pass, Stale, Refused, Error, Tunnel}
	all := make([]Exchange, n)
	for i := range all {
		x := Exchange{
			Method: "GET", URL: fmt.Sprintf("https://registry%d.example/pkg/%d/-/pkg-1.0.%d.tgz", i%17, i%400, i), Outcome: outcomes[i%len(outcomes)],
			Reason: "artifact: its name has a version", Status: 200, Bytes: int64(i%9000) * 100, SHA256: fmt.Sprintf("%064x", i),
			Type: []string{"application/gzip", "application/json", ""}[i%3], StartMS: int64(i) * 3, MS: int64(20 + i%300), WaitMS: int64(i % 20),
		}
		if x.Outcome == Miss {
			x.Cause, x.Network = CauseNew, x.Bytes
		}
		all[i] = x
	}
	return all
}

// BenchmarkHTML writes the page of 20,000 requests.
func BenchmarkHTML(b *testing.B) {
	all := manyExchanges(20_000)
	a := NewAccount()
	for _, x := range all {
		a.Add(x)
	}
	r := New(Run{Command: []string{"make"}}, a, nil)
	r.Exchanges = sequence(all...)
	for b.Loop() {
		n := counter(0)
		if err := WriteHTML(&n, r); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n), "bytes")
	}
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
