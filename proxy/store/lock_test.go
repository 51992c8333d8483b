package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// One document has one lock, in one process and among several.
func TestLockExcludes(t *testing.T) {
	r := newRig(t)
	stores := []*Store{r.Store, openDir(t, r.dir, false)}
	var holders, total atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				l, err := stores[i%2].Lock(t.Context(), key("/a"), "")
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d hold the lock", n)
				}
				total.Add(1)
				holders.Add(-1)
				l.Unlock()
				l.Unlock() // a second time does nothing
			}
		})
	}
	wg.Wait()
	if total.Load() != 80 {
		t.Errorf("%d had the lock, want 80", total.Load())
	}
	r.clean()
}

func TestLocksAreOfOneDocument(t *testing.T) {
	r := newRig(t)
	held, err := r.Lock(t.Context(), key("/a"), "")
	r.must(err)
	for _, c := range []struct{ target, variant string }{{"/a", "v"}, {"/b", ""}, {"/a/", ""}, {"/a?", ""}} {
		l, err := r.Lock(t.Context(), key(c.target), c.variant)
		if err != nil {
			t.Errorf("%s %q waits for /a: %v", c.target, c.variant, err)
			continue
		}
		l.Unlock()
	}
	held.Unlock()
	r.clean()
}

func TestLockIsCancelled(t *testing.T) {
	r := newRig(t)
	held, err := r.Lock(t.Context(), key("/a"), "")
	r.must(err)
	defer held.Unlock()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		l, err := r.Lock(ctx, key("/a"), "")
		if l != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second lock: %v, %v", l, err)
		}
	})
}

// Nobody waits for a lock until its client gives up, nor for oneself.
func TestLockHasPatience(t *testing.T) {
	r := newRig(t)
	held, err := r.Lock(t.Context(), key("/a"), "")
	r.must(err)
	defer held.Unlock()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l, err := r.Lock(t.Context(), key("/a"), "")
		if took := time.Since(began); err != nil || took != lockPatience {
			t.Errorf("after %v: %v, %v", took, l, err)
		}
		l.Unlock()
		r.Alone()
		began = time.Now()
		l, err = r.Lock(t.Context(), key("/a"), "")
		if took := time.Since(began); err != nil || took != 0 {
			t.Errorf("alone after %v: %v, %v", took, l, err)
		}
		l.Unlock()
	})
}

// Who waits for a lock leaves when it is not wanted any more.
func TestLockIsOver(t *testing.T) {
	r := newRig(t)
	held, err := r.Lock(t.Context(), key("/a"), "")
	r.must(err)
	defer held.Unlock()
	synctest.Test(t, func(t *testing.T) {
		began, asked := time.Now(), 0
		l, p, err := r.LockOrFollow(t.Context(), key("/a"), "", func() bool { asked++; return asked == 3 })
		if took := time.Since(began); l != nil || p != nil || err != nil || took != 3*lockPoll {
			t.Errorf("after %v: %v, %v, %v", took, l, p, err)
		}
	})
}

// A body whose metadata can't be written does not stay as a user's own file.
func TestNoRoomForMetadata(t *testing.T) {
	r := newRig(t)
	r.write(metaDir+"/registry.example/a", "no folder")
	if err := commit(r.Store, "/a/b", "body"); err == nil {
		t.Error("it is kept")
	}
	r.want("/a/b", found{miss: "not in the cache"})
	r.clean()
}

// Many write one key: what is found is always one of the bodies, whole.
func TestWritersOfOneKey(t *testing.T) {
	r := newRig(t)
	stores := []*Store{r.Store, openDir(t, r.dir, false)}
	bodies := map[string]bool{}
	for i := range 8 {
		bodies[body(i)] = true
	}
	r.put("/a", body(0))
	var wg sync.WaitGroup
	done := make(chan struct{})
	var readers sync.WaitGroup
	for _, s := range stores {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				// While body and metadata are changed there may be a miss.
				if got := lookUp(s, "/a"); got.miss == "" && (!bodies[got.body] || got.own) {
					t.Errorf("found %d bytes of nobody, own %v", len(got.body), got.own)
				}
			}
		})
	}
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				l, err := stores[i%2].Lock(t.Context(), key("/a"), "")
				if err != nil {
					t.Error(err)
					return
				}
				if err := commit(stores[i%2], "/a", body(i)); err != nil {
					t.Error(err)
				}
				l.Unlock()
			}
		})
	}
	wg.Wait()
	close(done)
	readers.Wait()
	if got := lookUp(r.Store, "/a"); !bodies[got.body] || got.own {
		t.Errorf("at last: %+v", got)
	}
	r.clean()
}

// body has a length and bytes of its own.
func body(i int) string { return fmt.Sprintf("%0*d", 1000+100*i, i) }

func TestAbort(t *testing.T) {
	r := newRig(t)
	for _, create := range []func() (*Writer, error){r.Create, r.named} {
		w, err := create()
		r.must(err)
		if n, err := io.WriteString(w, "half"); n != 4 || err != nil || w.Size() != 4 {
			t.Errorf("%d bytes written, %v", n, err)
		}
		w.Abort()
		w.Abort()
		r.must(w.Close())
	}
	// A body that is not what was written is not kept.
	w, err := r.Create()
	r.must(err)
	if _, err := io.WriteString(w, "whole"); err != nil {
		t.Fatal(err)
	}
	r.must(w.File().Truncate(2))
	if err := w.Commit(key("/a"), "", metaOf(key("/a"), 200)); err == nil {
		t.Error("a body that was cut is kept")
	}
	r.must(w.Close())
	r.want("/a", found{miss: "not in the cache"})
	r.clean()
}

// Who has taken the metadata of a body that was just placed for an orphan's makes it
// be placed again.
func TestPlacedTwice(t *testing.T) {
	r := newRig(t)
	w, err := r.Create()
	r.must(err)
	if _, err := io.WriteString(w, "body"); err != nil {
		t.Fatal(err)
	}
	k := key("/a")
	r.must(w.Commit(k, "", metaOf(k, 200)))
	r.must(r.root.Remove(metaName(k, "")))
	r.must(w.commitOver(k, "", w.kept))
	r.must(w.Close())
	r.want("/a", found{status: 200, body: "body"})
	r.clean()
}

// named is Create where the file system knows only files with names.
func (r *rig) named() (*Writer, error) {
	f, temp, err := r.createNamed()
	if err != nil {
		return nil, err
	}
	w, err := r.Create()
	if err != nil {
		return nil, err
	}
	w.file.Close()
	w.file, w.temp = f, temp
	return w, nil
}

func TestNamedTemporaryFile(t *testing.T) {
	r := newRig(t)
	w, err := r.named()
	r.must(err)
	if _, err := io.WriteString(w, "body"); err != nil {
		t.Fatal(err)
	}
	r.must(w.Commit(key("/a"), "", metaOf(key("/a"), 200)))
	r.must(w.Close())
	r.want("/a", found{status: 200, body: "body"})
	r.clean()
}

// A process that was killed between body and metadata leaves a body that must
// not pass for a user's file: neither while its lock lies there, nor later.
func TestKilledWriter(t *testing.T) {
	r := newRig(t)
	r.put("/whole", "whole")
	r.put("/early", "early")
	r.must(os.Remove(r.path("registry.example/early"))) // its metadata came first
	for _, target := range []string{"/half", "/whole", "/missing", "/early"} {
		r.write(lockName(key(target), ""), key(target).Name(""))
	}
	r.write(locksDir+"/junk", "../../nothing")
	r.write(locksDir+"/empty", "")
	r.write("registry.example/half", "half")
	r.want("/half", found{miss: "not in the cache"})
	r.write("registry.example/mine", "mine")
	next := &rig{openDir(t, r.dir, false), t, r.dir}
	next.want("/half", found{miss: "not in the cache"})
	if _, err := os.Stat(r.path("registry.example/half")); err == nil {
		t.Error("the half document is still there")
	}
	next.want("/early", found{miss: "not in the cache"})
	next.want("/whole", found{status: 200, body: "whole"})
	next.want("/mine", found{status: 200, body: "mine", own: true})
	next.clean()
}

// What a living process is writing is not swept away by the next one.
func TestSweepLeavesTheLiving(t *testing.T) {
	r := newRig(t)
	l, err := r.Lock(t.Context(), key("/a"), "")
	r.must(err)
	r.write("registry.example/a", "arriving")
	openDir(t, r.dir, false)
	if _, err := os.Stat(r.path("registry.example/a")); err != nil {
		t.Errorf("the document was swept away: %v", err)
	}
	l.Unlock()
	r.clean()
}
