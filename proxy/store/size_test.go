package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// sizePath has entries lie as those of a registry of packages do: in two folders
// for each of 65536 packages, or as many to a folder as perFolder says.
func sizePath(i, perFolder int) string {
	if perFolder > 0 {
		return fmt.Sprintf("/lib/lib-%d/lib-%d-1.%d.jar", i/perFolder, i/perFolder, i%perFolder)
	}
	return fmt.Sprintf("/%02x/pkg-%d/-/pkg-%d-1.0.0.tgz", i%256, i/256%256, i)
}

// fill makes entries of 1 KiB, no two of them alike, as the store would: by
// plain writes, as a million of them take ten minutes otherwise.
func fill(dir string, n, perFolder int) error {
	const workers = 4
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			random := rand.NewChaCha8([32]byte{byte(w)})
			body := make([]byte, 1<<10)
			for i := w; i < n && errs[w] == nil; i += workers {
				random.Read(body)
				errs[w] = fillOne(dir, i, sizePath(i, perFolder), body)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func fillOne(dir string, i int, target string, body []byte) error {
	k := Key{Host: "registry.example", Target: target}
	sum := sha256.Sum256(body)
	now := time.Now()
	m := Meta{
		URL: k.URL("https"), Status: http.StatusOK, Requested: now, Received: now, FetchMS: 12,
		Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]),
		Header: http.Header{
			"Content-Type": {"application/octet-stream"}, "Etag": {`"` + hex.EncodeToString(sum[:16]) + `"`},
			"Last-Modified": {now.UTC().Format(http.TimeFormat)}, "Cache-Control": {"public, immutable, max-age=31557600"},
			"Date": {now.UTC().Format(http.TimeFormat)}, "Accept-Ranges": {"bytes"}, "Content-Length": {strconv.Itoa(len(body))},
		},
	}
	name := filepath.Join(dir, k.Name(""))
	meta := filepath.Join(dir, metaName(k, ""))
	for _, name := range []string{name, meta} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(name, body, 0o644); err != nil {
		return err
	}
	fi, err := os.Stat(name)
	if err != nil {
		return err
	}
	m.ModTime = fi.ModTime()
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.WriteFile(meta, b, 0o644); err != nil {
		return err
	}
	used := now.Add(-time.Duration(i%(60*24)) * time.Hour)
	return os.Chtimes(meta, used, used)
}

// sizeDirectory is a directory to be measured, and the number of its entries.
// CACHEX_ENTRIES=1000000 makes as many; they take minutes, and some 10 GB.
// CACHEX_PER_FOLDER says how many lie in one folder, and CACHEX_DIRECTORY where to
// keep them: what is there already is taken as it is.
func sizeDirectory(b *testing.B) (dir string, n int) {
	n = 2000
	if v, err := strconv.Atoi(os.Getenv("CACHEX_ENTRIES")); err == nil && v > 0 {
		n = v
	}
	perFolder, _ := strconv.Atoi(os.Getenv("CACHEX_PER_FOLDER")) // 0 without
	if dir = os.Getenv("CACHEX_DIRECTORY"); dir == "" {
		dir = b.TempDir()
	} else if _, err := os.Stat(dir); err == nil {
		return dir, n
	}
	if err := fill(dir, n, perFolder); err != nil {
		b.Fatal(err)
	}
	return dir, n
}

// BenchmarkDirectory is what commands on a whole directory take for each entry, and
// what it takes to look at all files alone: the limit.
func BenchmarkDirectory(b *testing.B) {
	dir, n := sizeDirectory(b)
	s, err := Open(dir, false)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	visited := 0
	visit := func(*Document) error { visited++; return nil }
	run := func(name string, do func() error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if visited = 0; do() != nil || visited != n {
					b.Fatalf("%d of %d entries, %v", visited, n, do())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry")
		})
	}
	run("limit", func() error {
		return filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = d.Info()
			}
			visited = n
			return err
		})
	})
	run("du", func() error { return s.Walk(Walker{Visit: visit}) })
	run("ls", func() error { return s.Walk(Walker{ReadMeta: true, Visit: visit}) })
	checked := func(Key, int64) { visited++ }
	sound := func(p Problem) error { return fmt.Errorf("%+v", p) }
	run("verify-quick", func() error { return s.Verify(Verifier{Quick: true, Checked: checked, Found: sound}) })
	run("verify", func() error { return s.Verify(Verifier{Checked: checked, Found: sound}) })
	run("gc-dry", func() error {
		_, err := s.Collect(Collector{DryRun: true, Removed: func(Key, int64, time.Time) error { visited++; return nil }})
		return err
	})
	run("export", func() error { return s.Export(io.Discard, Exporter{Added: func(int64) { visited++ }}) })
	run("import", func() error {
		to, err := Open(b.TempDir(), false)
		if err != nil {
			return err
		}
		defer to.Close()
		r, w := io.Pipe()
		go func() { w.CloseWithError(s.Export(w, Exporter{})) }()
		_, err = to.Import(r, Importer{Kept: func(h http.Header) http.Header { return h }, Added: func(int64) { visited++ }})
		return err
	})
}
