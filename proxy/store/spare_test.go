package store

import (
	"os"
	"strings"
	"testing"
	"time"
)

// spareNames are the names of spare files in the folder of locks.
func (r *rig) spareNames() []string {
	r.t.Helper()
	all, err := os.ReadDir(r.path(locksDir))
	r.must(err)
	var names []string
	for _, e := range all {
		if strings.HasPrefix(e.Name(), sparePrefix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// neverIdle keeps the spare files, however slow the machine is.
func (r *rig) neverIdle() { r.spares.idle = time.AfterFunc(time.Hour, func() {}) }

// Locks one after the other have one file, which excludes others as any lock's
// does, names no document when it is not in use, and goes with the store.
func TestSpareLocks(t *testing.T) {
	r := newRig(t)
	r.neverIdle()
	other := openDir(t, r.dir, false)
	var last os.FileInfo
	for _, target := range []string{"/a", "/a-longer-name", "/a"} {
		l, err := r.Lock(t.Context(), key(target), "")
		r.must(err)
		name := lockName(key(target), "")
		b, err := os.ReadFile(r.path(name))
		r.must(err)
		if line, _, _ := strings.Cut(string(b), "\n"); line != key(target).Name("") {
			t.Errorf("the lock of %s says %q", target, b)
		}
		fi, err := os.Stat(r.path(name))
		r.must(err)
		if last != nil && !os.SameFile(last, fi) {
			t.Errorf("the lock of %s has a file of its own", target)
		}
		last = fi
		for _, s := range []*Store{r.Store, other} {
			if l, err := s.tryLock(name); l != nil || err != nil {
				t.Errorf("%s is locked twice: %v, %v", target, l, err)
			}
		}
		l.Unlock()
		if _, err := os.Lstat(r.path(name)); err == nil {
			t.Errorf("%s is left", name)
		}
		r.clean()
	}
	if names := r.spareNames(); len(names) != 1 {
		t.Errorf("spare files: %q", names)
	}
	r.must(r.Store.Close())
	if names := r.spareNames(); len(names) != 0 {
		t.Errorf("spare files are left: %q", names)
	}
}

// Who follows a body looks at its lock's file: that one is not used again.
func TestSpareNotPublished(t *testing.T) {
	r := newRig(t)
	other := openDir(t, r.dir, false)
	r.neverIdle()
	for range 2 {
		first, err := r.Lock(t.Context(), key("/first-of-a-long-name"), "")
		r.must(err)
		first.Unlock() // leaves a spare file
		l, w, _ := held(t, r.Store, key("/a"))
		before := l.spare
		if before == "" {
			t.Error("no spare file is used")
		}
		_, p, err := other.LockOrFollow(t.Context(), key("/a"), "", nil)
		r.must(err)
		if p == nil {
			t.Error("what is published is not found")
		} else {
			p.Close()
		}
		l.Unlock()
		r.must(w.Close())
		for _, name := range r.spareNames() {
			if name == before {
				t.Errorf("%s is kept", name)
			}
		}
	}
	r.clean()
}

// What a killed process leaves is swept: its spare files, and the one that was a
// document's lock.
func TestSpareOfTheKilled(t *testing.T) {
	r := newRig(t)
	r.write(locksDir+"/"+sparePrefix+"idle", "")
	busy := locksDir + "/" + sparePrefix + "busy"
	r.write(busy, key("/half").Name(""))
	r.must(os.Link(r.path(busy), r.path(lockName(key("/half"), ""))))
	r.write("registry.example/half", "half")
	next := &rig{openDir(t, r.dir, false), t, r.dir}
	next.want("/half", found{miss: "not in the cache"})
	if names := next.spareNames(); len(names) != 0 {
		t.Errorf("spare files are left: %q", names)
	}
	next.clean()
}

// A folder of locks that somebody has replaced is no failure.
func TestSpareGone(t *testing.T) {
	r := newRig(t)
	r.neverIdle()
	first, err := r.Lock(t.Context(), key("/a"), "")
	r.must(err)
	first.Unlock()
	r.must(os.RemoveAll(r.path(locksDir)))
	r.must(os.Mkdir(r.path(locksDir), 0o755))
	l, err := r.Lock(t.Context(), key("/b"), "")
	r.must(err)
	r.put("/b", "b")
	l.Unlock()
	r.want("/b", found{status: 200, body: "b"})
	r.clean()
}
