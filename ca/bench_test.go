package ca

import (
	"os"
	"testing"
	"time"
)

func BenchmarkTrust(b *testing.B) {
	for b.Loop() {
		a, err := New(time.Now())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.Trust("/", os.Environ()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIssue is what the first connection to a host waits for, and
// BenchmarkCertificate what all others do.
func BenchmarkIssue(b *testing.B) {
	a, err := New(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.issue("registry.example"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCertificate(b *testing.B) {
	a, err := New(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Certificate("registry.example"); err != nil {
			b.Fatal(err)
		}
	}
}
