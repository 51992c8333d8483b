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
