package store

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// usedAgo sets when a document's forms were last used.
func (r *rig) usedAgo(target string, ago time.Duration, variants ...string) {
	r.t.Helper()
	for _, v := range append(variants, "") {
		r.must(os.Chtimes(r.path(metaName(key(target), v)), time.Time{}, time.Now().Add(-ago)))
	}
}

// left are the targets of the documents that are there.
func (r *rig) left() string {
	r.t.Helper()
	var all []string
	r.must(r.Walk(Walker{Visit: func(d *Document) error {
		all = append(all, d.Key.Target)
		return nil
	}}))
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (r *rig) size() (n int64) {
	r.t.Helper()
	r.must(r.Walk(Walker{Visit: func(d *Document) error {
		n += d.Bytes()
		return nil
	}}))
	return n
}

func (r *rig) redirect(target, location string) {
	r.t.Helper()
	m := metaOf(key(target), http.StatusFound)
	m.Header.Set("Location", location)
	r.must(r.PutStatus(key(target), "", m))
}

const day = 24 * time.Hour

// gcRig has documents a to e of 1000 bytes, used five to one days ago.
func gcRig(t *testing.T) *rig {
	r := newRig(t)
	for i, target := range []string{"/a", "/b", "/c", "/d", "/e"} {
		r.put(target, strings.Repeat("x", 1000))
		r.usedAgo(target, time.Duration(5-i)*day)
	}
	return r
}

func TestCollect(t *testing.T) {
	for what, c := range map[string]struct {
		prepare func(r *rig)
		collect func(r *rig) Collector
		left    string
	}{
		"nothing asked": {nil, func(*rig) Collector { return Collector{MaxSize: -1} }, "/a /b /c /d /e"},
		"room enough":   {nil, func(*rig) Collector { return Collector{MaxSize: 1 << 20} }, "/a /b /c /d /e"},
		"least recently used first": {func(r *rig) { r.usedAgo("/a", time.Hour) },
			func(r *rig) Collector { return Collector{MaxSize: r.size() - 1500} }, "/a /d /e"},
		"nothing may stay": {nil, func(*rig) Collector { return Collector{} }, ""},
		"unused":           {nil, func(*rig) Collector { return Collector{MaxSize: -1, UnusedFor: 60 * time.Hour} }, "/d /e"},
		"both":             {nil, func(r *rig) Collector { return Collector{MaxSize: r.size() - 4500, UnusedFor: 60 * time.Hour} }, "/e"},
		"dry":              {nil, func(*rig) Collector { return Collector{DryRun: true} }, "/a /b /c /d /e"},
		"own files stay": {func(r *rig) {
			r.write("registry.example/mine", "mine")
			r.must(os.Symlink("404", r.path("registry.example/none")))
			w, err := r.Create()
			r.must(err)
			m := metaOf(key("/put"), 200)
			m.Mine = true
			r.must(w.Commit(key("/put"), "", m))
			w.Close()
		}, func(*rig) Collector { return Collector{} }, "/mine /none /put"},
		"a redirect and its target, used": {func(r *rig) {
			r.redirect("/r", "/s")
			r.redirect("/s", "https://registry.example/a")
			r.usedAgo("/s", 9*day)
			r.usedAgo("/r", time.Hour)
		}, func(r *rig) Collector { return Collector{MaxSize: -1, UnusedFor: 60 * time.Hour} }, "/a /d /e /r /s"},
		"a redirect and its target, unused": {func(r *rig) {
			r.redirect("/r", "/e")
			r.usedAgo("/r", 9*day)
			r.usedAgo("/e", 9*day)
		}, func(r *rig) Collector { return Collector{MaxSize: r.size() - 100} }, "/a /b /c /d"},
		"all forms of a document": {func(r *rig) {
			w, err := r.Create()
			r.must(err)
			w.Write(make([]byte, 100))
			r.must(w.Commit(key("/a"), "json", metaOf(key("/a"), 200)))
			w.Close()
			r.usedAgo("/a", 9*day)
			r.usedAgo("/b", 9*day, "")
		}, func(r *rig) Collector { return Collector{MaxSize: -1, UnusedFor: 8 * day} }, "/a /c /d /e"},
		"one that is being fetched": {func(r *rig) {
			l, err := r.Lock(r.t.Context(), key("/a"), "")
			r.must(err)
			r.t.Cleanup(l.Unlock)
		}, func(*rig) Collector { return Collector{} }, "/a"},
		"parts": {func(r *rig) {
			w, err := r.CreatePart(key("/p"), "", PartsMeta{Meta: *metaOf(key("/p"), 200), Total: 10}, 0)
			r.must(err)
			w.Write([]byte("123"))
			_, err = w.Commit()
			r.must(err)
			w.Close()
		}, func(*rig) Collector { return Collector{} }, ""},
	} {
		t.Run(what, func(t *testing.T) {
			r := gcRig(t)
			if c.prepare != nil {
				c.prepare(r)
			}
			before, removed := r.size(), int64(0)
			g := c.collect(r)
			g.Removed = func(_ Key, bytes int64, _ time.Time) error {
				removed += bytes
				return nil
			}
			got, err := r.Collect(g)
			r.must(err)
			if left := r.left(); left != c.left {
				t.Errorf("left is %q, want %q", left, c.left)
			}
			if freed := before - r.size(); got.Freed != removed || !g.DryRun && got.Freed != freed || got.Before != before {
				t.Errorf("says %+v and told of %d; %d were there and %d are free", got, removed, before, freed)
			}
		})
	}
}

// Nothing is left of what was removed, folders neither.
func TestCollectLeavesNoFolders(t *testing.T) {
	r := newRig(t)
	r.put("/x/y/z", "body")
	r.put("/x/y", "body")
	r.putStatus("/x/gone", 404, "no")
	_, err := r.Collect(Collector{})
	r.must(err)
	for _, dir := range []string{"registry.example", metaDir + "/registry.example"} {
		if _, err := os.Lstat(r.path(dir)); err == nil {
			t.Errorf("%s is left", dir)
		}
	}
	r.put("/x/y/z", "again")
	r.want("/x/y/z", found{status: 200, body: "again"})
}

// Mirrors of git repositories go as a whole, but not while they are fed.
func TestCollectRepositories(t *testing.T) {
	r := newRig(t)
	pack := gitDir + "/git.example/a%.git/objects/pack/p.pack"
	r.write(pack, strings.Repeat("x", 1000))
	r.write(gitDir+"/git.example/a%.git/lock", "")
	f, err := os.Open(r.path(gitDir + "/git.example/a%.git/lock"))
	r.must(err)
	defer f.Close()
	if !flockFile(f) {
		t.Fatal("no lock")
	}
	got, err := r.Collect(Collector{})
	r.must(err)
	if _, err := os.Stat(r.path(pack)); err != nil || got.Before != 1000 || got.Freed != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	f.Close()
	got, err = r.Collect(Collector{})
	r.must(err)
	if _, err := os.Stat(r.path(gitDir + "/git.example")); err == nil || got.Freed != 1000 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Collectors that work at once, among readers and writers: who reads gets whole
// answers or a miss, no answer loses its metadata, and in the end it is small.
func TestCollectAtOnce(t *testing.T) {
	r := newRig(t)
	body := func(i int) string { return strings.Repeat(fmt.Sprint(i), 1000) }
	target := func(i int) string { return fmt.Sprintf("/%d/a", i%40) }
	var wg, collecting sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		s := openDir(t, r.dir, false)
		collecting.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := s.Collect(Collector{MaxSize: 20000}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range 2 {
		s := openDir(t, r.dir, false)
		wg.Go(func() {
			for i := range 300 {
				if i%2 == n {
					l, err := s.Lock(t.Context(), key(target(i)), "")
					if err == nil {
						err = commit(s, target(i), body(i%40))
						l.Unlock()
					}
					if err != nil {
						t.Errorf("put %s: %v", target(i), err)
					}
				}
				if f := lookUp(s, target(i+7)); f.own || f.miss == "" && f.body != body((i+7)%40) {
					t.Errorf("%s: %.40v", target(i+7), f)
				}
			}
		})
	}
	wg.Wait()
	close(done)
	collecting.Wait()
	if _, err := r.Collect(Collector{MaxSize: 20000}); err != nil || r.size() > 20000 {
		t.Errorf("%d bytes are left, %v", r.size(), err)
	}
	r.clean()
}

// An answer that a user put there with header fields counts as own from the start,
// so that enough of the others goes, and stays even when its mark is lost.
func TestCollectOwnFields(t *testing.T) {
	for _, marked := range []bool{true, false} {
		r := gcRig(t)
		w, err := r.Create()
		r.must(err)
		defer w.Close()
		_, err = w.Write(make([]byte, 3000))
		r.must(err)
		m := metaOf(key("/mine"), http.StatusOK)
		m.Mine = true
		r.must(w.Commit(key("/mine"), "", m))
		r.want("/mine", found{status: 200, body: string(make([]byte, 3000)), own: true})
		if !marked {
			r.usedAgo("/mine", 90*day)
		}
		max := r.size() - 1500
		got, err := r.Collect(Collector{MaxSize: max})
		r.must(err)
		if left := r.left(); marked && (left != "/c /d /e /mine" || r.size() > max) || !strings.HasSuffix(left, "/mine") {
			t.Errorf("marked %v: %s are left, %d bytes of %d: %+v", marked, left, r.size(), max, got)
		}
		r.clean()
	}
}
