package mirror

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// stateOf is all that a folder has, with the times of it.
func stateOf(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		all = append(all, fmt.Sprint(name, fi.Size(), fi.ModTime().UnixNano()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// refsOf is what a server says whose main is a commit.
func refsOf(commit string, at int64) View {
	return View{Time: time.Unix(at, 0), All: true, Refs: []Ref{{Name: "refs/heads/main", OID: commit}}}
}

// A mirror answers with what is below, and with what both have together; what is
// new goes on top alone.
func TestLayers(t *testing.T) {
	u := newUpstream(t)
	one := u.commit(1000)
	two := u.commit(1000)
	lower := t.TempDir()
	below := open(t, lower).Repository("h/r")
	q1, body1 := ask(one)
	answer1 := u.answer(body1)
	feed(t, below, q1, answer1)
	if err := below.Record(refsOf(one, 1)); err != nil {
		t.Fatal(err)
	}
	before := stateOf(t, lower)

	m := open(t, t.TempDir())
	m.Below = []string{filepath.Join(lower, "none"), lower}
	r := m.Repository("h/r")
	if _, err := fetch(t, r, q1, body1); err != nil {
		t.Errorf("what is below alone: %v", err)
	}
	// What is below already is not fed again, nor its refs recorded.
	feed(t, r, q1, answer1)
	if err := r.Record(refsOf(one, 2)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(m.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v on top", left, err)
	}
	// A thin pack on top has its base below, and so has a clone of both.
	q2, thin := ask(two, one)
	feed(t, r, q2, u.answer(thin))
	if err := r.Record(refsOf(two, 3)); err != nil {
		t.Fatal(err)
	}
	q2, body2 := ask(two)
	if pack, err := fetch(t, r, q2, body2); err != nil || !bytes.HasPrefix(pack, []byte("PACK")) {
		t.Errorf("%.10q, %v", pack, err)
	}
	if b, err := r.LsRefs(Question{Version: 2, Peel: true, Symrefs: true}, false); err != nil || !bytes.Contains(b, []byte(two)) {
		t.Errorf("refs: %q, %v", b, err)
	}
	if !slices.Equal(before, stateOf(t, lower)) {
		t.Error("the folder below has changed")
	}
	// Paths that git's list of folders has to quote.
	odd := filepath.Join(t.TempDir(), `a:b "c`)
	if err := os.CopyFS(odd, os.DirFS(lower)); err != nil {
		t.Fatal(err)
	}
	m.Below = []string{odd}
	if _, err := fetch(t, r, q2, body2); err != nil {
		t.Errorf("below %q: %v", odd, err)
	}
}

// Objects of a directory that was copied by hand are not used when git would be led
// out of it, and nothing is written there.
func TestObjectsStayInside(t *testing.T) {
	u := newUpstream(t)
	one := u.commit(1000)
	q, body := ask(one)
	outside := filepath.Join(u.dir, ".git", "objects")
	plant := map[string]func(objects string) error{
		"alternates": func(objects string) error {
			return os.WriteFile(filepath.Join(objects, "info", "alternates"), []byte(outside+"\n"), 0o600)
		},
		"linked packs": func(objects string) error {
			pack := filepath.Join(objects, "pack")
			if err := os.RemoveAll(pack); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(outside, "pack"), pack)
		},
		"a linked pack": func(objects string) error {
			u.git("repack", "-adq")
			packs, err := filepath.Glob(filepath.Join(outside, "pack", "pack-*"))
			for _, p := range packs {
				if err == nil {
					err = os.Symlink(p, filepath.Join(objects, "pack", filepath.Base(p)))
				}
			}
			return err
		},
		"a folder of objects": func(objects string) error {
			return os.Symlink(filepath.Join(outside, one[:2]), filepath.Join(objects, one[:2]))
		},
		"linked objects": func(objects string) error {
			if err := os.RemoveAll(objects); err != nil {
				return err
			}
			return os.Symlink(outside, objects)
		},
	}
	for name, do := range plant {
		t.Run(name, func(t *testing.T) {
			m := open(t, t.TempDir())
			r := m.Repository("h/r")
			root, err := r.create()
			if err != nil {
				t.Fatal(err)
			}
			root.Close()
			if err := do(filepath.Join(m.Dir, "h", "r"+suffix, objectsDir)); err != nil {
				t.Fatal(err)
			}
			_, err = fetch(t, r, q, body)
			wantNone(t, err)
			before := stateOf(t, outside)
			if err := r.Feed(t.Context(), q, bytes.NewReader(u.answer(body)), "abc"); err == nil {
				t.Error("it was fed")
			}
			if !slices.Equal(before, stateOf(t, outside)) {
				t.Error("something was written outside")
			}
		})
	}
}

// A repository that answers counts as used, once a day; one below is not marked.
func TestUse(t *testing.T) {
	m := open(t, t.TempDir())
	needsGit(t)
	if err := m.Repository("h/r").Record(refsOf("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1)); err != nil {
		t.Fatal(err)
	}
	views := filepath.Join(m.Dir, "h", "r"+suffix, viewsDir)
	used := func(of *Mirrors, age time.Duration) time.Duration {
		t.Helper()
		then := time.Now().Add(-age)
		if err := os.Chtimes(views, then, then); err != nil {
			t.Fatal(err)
		}
		if _, err := of.Repository("h/r").LsRefs(Question{Version: 2}, false); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(views)
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(fi.ModTime())
	}
	top := open(t, t.TempDir())
	top.Below = []string{m.Dir}
	for _, c := range []struct {
		of     *Mirrors
		age    time.Duration
		marked bool
	}{{m, 48 * time.Hour, true}, {m, time.Hour, false}, {top, 48 * time.Hour, false}} {
		if got := used(c.of, c.age); (got < c.age/2) != c.marked {
			t.Errorf("%v old: used %v ago", c.age, got)
		}
	}
}
