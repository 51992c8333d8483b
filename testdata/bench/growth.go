//go:build linux

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"cachex/proxy/store"
)

// smallCache is how many entries the cache has that a large one is compared with.
const smallCache = 1000

// entryPath is where entries lie: in two folders for each package, as those of a
// registry of packages do.
const entryPath = "/all/{p}/-/p-1.0.{i}.tgz"

// hitAmong measures cachex's processor time for a hit in a cache of n entries. A
// thousand of them are asked for, again and again, that lie far from one another: what
// is compared is the size of the cache alone, and not how much a client asks for.
func hitAmong(n int, seconds float64) func(*stage, contender) (sample, error) {
	return func(s *stage, c contender) (sample, error) {
		dir := filepath.Join(s.dir, fmt.Sprintf("cache-of-%d", n))
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			if err := fillCache(dir, n); err != nil {
				return sample{}, fmt.Errorf("make a cache of %d entries: %w", n, err)
			}
		}
		m, err := s.drive(&ours{s.cachex, dir}, task{Paths: []string{entryPath}, Files: n, Stride: max(1, n/smallCache), Conns: 8, Seconds: seconds})
		m.Value = m.cost()
		if err == nil && m.Origin > 0 {
			err = fmt.Errorf("%d requests were no hits", m.Origin)
		}
		return m, err
	}
}

// fillCache makes entries of 1 KiB, by the store itself.
func fillCache(dir string, n int) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	s, err := store.Open(dir, false)
	if err != nil {
		return err
	}
	defer s.Close()
	const workers = 4
	errs := make([]error, workers)
	var working sync.WaitGroup
	for w := range workers {
		working.Go(func() {
			body := make([]byte, 1<<10)
			for i := w; i < n && errs[w] == nil; i += workers {
				rand.Read(body) // it never fails
				errs[w] = fillEntry(s, numbered(entryPath, i), body)
			}
		})
	}
	working.Wait()
	return errors.Join(errs...)
}

func fillEntry(s *store.Store, path string, body []byte) error {
	w, err := s.Create()
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(body); err != nil {
		return err
	}
	k := store.Key{Host: host, Target: path}
	now := time.Now()
	return w.Commit(k, "", &store.Meta{
		URL: k.URL("https"), Status: http.StatusOK, Requested: now, Received: now, FetchMS: 12,
		Header: http.Header{
			"Content-Type": {"application/gzip"}, "Content-Length": {strconv.Itoa(len(body))}, "Etag": {`"5f0b7d1e-400"`},
			"Last-Modified": {now.UTC().Format(http.TimeFormat)}, "Date": {now.UTC().Format(http.TimeFormat)},
			"Cache-Control": {"max-age=86400"}, "Accept-Ranges": {"bytes"},
		},
	})
}
