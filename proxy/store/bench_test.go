package store

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// BenchmarkKey is from a URL to the name of its file, and BenchmarkParseName back.
func BenchmarkKey(b *testing.B) {
	for _, text := range []string{
		"https://registry.example/@scope%2fa/-/a-1.0.0.tgz",
		"https://registry.example:8443/simple/a/?format=json&page=2",
	} {
		u, err := url.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(u.Path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if KeyOf(u).Name("") == "" {
					b.Fatal("no name")
				}
			}
		})
	}
}

func BenchmarkParseName(b *testing.B) {
	u, err := url.Parse("https://registry.example/@scope%2fa/-/a-1.0.0.tgz")
	if err != nil {
		b.Fatal(err)
	}
	name := KeyOf(u).Name("")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseName(name); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLookup opens entries that are there, and asks for one that is not.
func BenchmarkLookup(b *testing.B) {
	s, keys := benchStore(b, 1000)
	b.Run("there", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			e, err := s.Get(keys[i*7919%len(keys)], "")
			if err != nil {
				b.Fatal(err)
			}
			e.Close()
		}
	})
	b.Run("absent", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Get(Key{Host: "registry.example", Target: "/a/-/a-2.0.0.tgz"}, ""); err == nil {
				b.Fatal("it is there")
			}
		}
	})
}

// BenchmarkCommit is what it takes to keep an answer of 4 KiB under a new name.
func BenchmarkCommit(b *testing.B) {
	s, _ := benchStore(b, 0)
	body := make([]byte, 4<<10)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		benchKeep(b, s, Key{Host: "registry.example", Target: fmt.Sprintf("/a/-/a-1.0.%d.tgz", i)}, body)
	}
}

func benchStore(b *testing.B, n int) (*Store, []Key) {
	s, err := Open(b.TempDir(), false)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = Key{Host: "registry.example", Target: fmt.Sprintf("/pkg-%d/-/pkg-%d-1.0.0.tgz", i, i)}
		benchKeep(b, s, keys[i], make([]byte, 1<<10))
	}
	return s, keys
}

func benchKeep(b *testing.B, s *Store, k Key, body []byte) {
	w, err := s.Create()
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(body); err != nil {
		b.Fatal(err)
	}
	m := &Meta{
		URL: k.URL("https"), Status: http.StatusOK, Received: time.Unix(1, 0),
		Header: http.Header{"Content-Type": {"application/gzip"}, "Etag": {`"5f0b7d1e-400"`}, "Cache-Control": {"max-age=86400"}},
	}
	if err := w.Commit(k, "", m); err != nil {
		b.Fatal(err)
	}
}
