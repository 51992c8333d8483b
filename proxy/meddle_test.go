package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// meddled is the file that users do things to while it is served. It is larger
// than what sockets hold, so that the end is read after the deed.
const meddled = "/pkg/-/pkg-1.2.3.tgz"

const meddledSize = 24 << 20

// TestFileMeddledWith removes, replaces, cuts and edits a file while a client
// reads it. The client gets the bytes that were there, or sees that it did not.
func TestFileMeddledWith(t *testing.T) {
	body := bytesFor(meddled, meddledSize)
	mine := bytesFor("a user's own", meddledSize)
	for what, c := range map[string]struct {
		deed  func(t *testing.T, dir, name string) error
		whole bool   // what is read at the moment
		next  []byte // what the next client gets
	}{
		"removed":  {func(_ *testing.T, _, name string) error { return os.Remove(name) }, true, body},
		"replaced": {replaceFile(mine), true, mine},
		"cut":      {func(_ *testing.T, _, name string) error { return os.Truncate(name, meddledSize/2) }, false, body[:meddledSize/2]},
		"emptied":  {func(_ *testing.T, _, name string) error { return os.Truncate(name, 0) }, false, nil},
		"moved": {func(t *testing.T, dir, _ string) error {
			return os.Rename(filepath.Join(dir, "registry.example"), filepath.Join(t.TempDir(), "elsewhere.example"))
		}, true, body},
		"all removed": {func(_ *testing.T, dir, _ string) error { return os.RemoveAll(dir) }, true, body},
		"a folder now": {func(_ *testing.T, _, name string) error {
			if err := os.Remove(name); err != nil {
				return err
			}
			return os.MkdirAll(filepath.Join(name, "sub"), 0o755)
		}, true, body},
		"unreadable link now": {func(_ *testing.T, _, name string) error {
			if err := os.Remove(name); err != nil {
				return err
			}
			return os.Symlink(filepath.Base(name), name)
		}, true, body},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Etag", `"1"`)
				w.Write(body)
			}), rigOptions{})
			if err := fetchOne(r.client(false), host+meddled, body); err != nil {
				t.Fatal(err)
			}
			for _, h2 := range []bool{false, true} {
				testMeddling(t, r, h2, body, c.deed, c.whole)
				if err := fetchOne(r.client(h2), host+meddled, c.next); err != nil {
					t.Errorf("h2 %t, afterwards: %v", h2, err)
				}
				if what == "all removed" { // and the store's own folders with it
					return
				}
				os.RemoveAll(filepath.Join(r.dir, "registry.example"))
				if err := fetchOne(r.client(false), host+meddled, body); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// testMeddling reads a little of a hit, lets the deed be done, and reads on.
func testMeddling(t *testing.T, r *rig, h2 bool, body []byte, deed func(t *testing.T, dir, name string) error, whole bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, host+meddled, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client(h2).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 1000)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatal(err)
	}
	if err := deed(t, r.dir, filepath.Join(r.dir, "registry.example", filepath.FromSlash(meddled))); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(resp.Body)
	got := append(first, rest...)
	switch {
	case whole && err != nil:
		t.Errorf("h2 %t: broken after %d bytes: %v", h2, len(got), err)
	case !whole && err == nil && len(got) < len(body):
		t.Errorf("h2 %t: %d bytes look whole", h2, len(got))
	case !bytes.HasPrefix(body, got):
		t.Errorf("h2 %t: wrong bytes", h2)
	}
}

func replaceFile(with []byte) func(t *testing.T, dir, name string) error {
	return func(t *testing.T, dir, name string) error {
		if err := os.WriteFile(filepath.Join(dir, "new"), with, 0o644); err != nil {
			return err
		}
		return os.Rename(filepath.Join(dir, "new"), name)
	}
}

// TestFolderInFlux moves and removes folders, the store's own too, while clients
// fetch. They get every byte all the same.
func TestFolderInFlux(t *testing.T) {
	seed := seedOf(t)
	dir := t.TempDir()
	r := artifactHouse(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	var meddling, wg sync.WaitGroup
	meddling.Go(func() {
		rng := rand.New(rand.NewPCG(seed, 1))
		at := func(name string) string { return filepath.Join(dir, name) }
		for i := 0; ctx.Err() == nil; i++ {
			os.Remove(at("nothing")) // so that this loop lets others work
			switch rng.IntN(6) {
			case 0:
				os.Rename(at("registry.example"), at(fmt.Sprintf("aside-%d.example", i)))
			case 1:
				os.RemoveAll(at("registry.example/pkg"))
			case 2:
				os.RemoveAll(at(".cachex/meta"))
			case 3:
				os.RemoveAll(at(".cachex/tmp"))
				os.Mkdir(at(".cachex/tmp"), 0o755)
			case 4:
				os.RemoveAll(at(".cachex/locks"))
				os.Mkdir(at(".cachex/locks"), 0o755)
			case 5:
				os.Remove(at("registry.example"))
				os.WriteFile(at("registry.example"), []byte("a user's notes"), 0o644)
			}
			if err := fetchOne(r.client(false), "http://registry.example/a-1.0.0.tgz", artifact("/a-1.0.0.tgz")); err != nil {
				t.Errorf("seed %d: %v; recorded: %s", seed, err, r.said("/a-1.0.0.tgz"))
			}
		}
	})
	for i := range 3 {
		wg.Go(func() {
			c := r.client(i%2 == 0)
			rng := rand.New(rand.NewPCG(seed, uint64(10+i)))
			for range soak(t, 300) / 3 {
				path := fmt.Sprintf("/pkg/-/pkg-1.%d.0.tgz", rng.IntN(20))
				if err := fetchOne(c, "http://registry.example"+path, artifact(path)); err != nil {
					t.Errorf("seed %d: %s: %v; recorded: %s", seed, path, err, r.said(path))
				}
			}
		})
	}
	wg.Wait()
	cancel()
	meddling.Wait()
	r.mu.Lock() // an answer may still be on its way into the account
	t.Logf("answers: %v", r.hits)
	r.mu.Unlock()
}
