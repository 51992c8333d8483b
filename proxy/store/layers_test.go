package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// layered is a rig on top of lower directories that are filled beforehand.
type layered struct {
	*rig
	lower []*rig
}

func newLayered(t *testing.T, n int, fill func(lower []*rig)) *layered {
	t.Helper()
	l := &layered{}
	var dirs []string
	for range n {
		r := newRig(t)
		l.lower = append(l.lower, r)
		dirs = append(dirs, r.dir)
	}
	fill(l.lower)
	dir := t.TempDir()
	s, err := OpenLayers(dir, false, dirs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	l.rig = &rig{s, t, dir}
	return l
}

// state is all that a directory has, with the times of it.
func (r *rig) state() []string {
	r.t.Helper()
	var all []string
	r.must(filepath.WalkDir(r.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			all = append(all, fmt.Sprint(name, fi.Mode(), fi.Size(), fi.ModTime().UnixNano()))
		}
		return err
	}))
	return all
}

// files are the bodies and links of the rig's own directory.
func (r *rig) files() []string {
	r.t.Helper()
	var all []string
	r.must(r.Walk(Walker{Visit: func(d *Document) error {
		for _, f := range d.Forms {
			if f.Name != "" {
				all = append(all, f.Name)
			}
		}
		return nil
	}}))
	return all
}

// meta is the metadata that is served with a document.
func (r *rig) meta(target string) Meta {
	r.t.Helper()
	e, err := r.Get(key(target), "")
	r.must(err)
	e.Close()
	return e.Meta
}

// A store finds what is below, the first directory first, and keeps what is new in
// its own. Whatever it does, nothing below is touched.
func TestLayers(t *testing.T) {
	l := newLayered(t, 2, func(lower []*rig) {
		lower[0].put("/both", "first")
		lower[1].put("/both", "second")
		lower[1].put("/second", "second")
		lower[1].put("/dir/", "index")
		lower[1].putStatus("/gone", 404, "no")
		lower[0].write("registry.example/mine", "own")
		lower[0].NoteName("absent.example", false)
	})
	old := time.Now().Add(-48 * time.Hour)
	for _, r := range l.lower { // a use would be marked
		r.must(os.Chtimes(r.path(metaName(key("/both"), "")), old, old))
	}
	before := [][]string{l.lower[0].state(), l.lower[1].state()}

	l.want("/both", found{status: 200, body: "first"})
	l.want("/second", found{status: 200, body: "second"})
	l.want("/gone", found{status: 404, body: "no"})
	l.want("/mine", found{status: 200, body: "own", own: true})
	l.want("/none", found{miss: "not in the cache"})
	if !l.Index(key("/dir")) || !l.HasHost("registry.example") || !l.Absent("absent.example") {
		t.Error("an index, a host or a name below is not found")
	}
	l.NoteName("absent.example", true)
	l.put("/second", "newer")
	l.put("/none", "new")
	l.want("/second", found{status: 200, body: "newer"})
	l.putStatus("/both", 410, "gone")
	l.want("/both", found{status: 410, body: "gone"})
	l.must(os.Remove(l.path("registry.example/both")))
	l.want("/both", found{status: 200, body: "first"})
	if got := l.files(); !slices.Equal(got, []string{"registry.example/none", "registry.example/second"}) {
		t.Errorf("the layer has %q", got)
	}
	for i, r := range l.lower {
		if !slices.Equal(before[i], r.state()) {
			t.Errorf("directory %d below has changed", i)
		}
	}
	l.clean()
}

// What changes about an answer below is written on top without its bytes, and holds
// for as long as below is what it was.
func TestLayersChangeAbout(t *testing.T) {
	l := newLayered(t, 2, func(lower []*rig) {
		lower[1].put("/page", "page")
		lower[1].put("/written", "page")
		lower[1].put("/removed", "page")
		lower[1].putStatus("/moved", 301, "")
	})
	before := l.lower[1].state()
	for _, target := range []string{"/page", "/moved"} {
		m := l.meta(target)
		m.Header = http.Header{"X-Field": {"new"}}
		m.Received = m.Received.Add(time.Second)
		l.must(l.Touch(key(target), "", m))
		if got := l.meta(target); got.Header.Get("X-Field") != "new" || !got.Below {
			t.Errorf("%s: %+v", target, got)
		}
		m.SHA256, m.Status = "other", 302
		if err := l.Touch(key(target), "", m); err == nil {
			t.Errorf("%s: metadata of other bytes was taken", target)
		}
	}
	l.must(l.Invalidate(key("/written")))
	if !l.meta("/written").Invalid {
		t.Error("a request that writes has changed nothing")
	}
	l.must(l.Remove(key("/removed"), ""))
	l.want("/removed", found{miss: "not in the cache"})
	l.want("/page", found{status: 200, body: "page"})
	if got := l.files(); len(got) > 0 {
		t.Errorf("the layer has %q", got)
	}
	if !slices.Equal(before, l.lower[1].state()) {
		t.Error("the directory below has changed")
	}
	problems := 0
	l.must(l.Verify(Verifier{Found: func(p Problem) error { problems++; t.Errorf("%+v", p); return nil }}))

	// Another directory on top of this one sees the same.
	top, err := OpenLayers(t.TempDir(), false, []string{l.dir, l.lower[0].dir, l.lower[1].dir})
	l.must(err)
	defer top.Close()
	above := &rig{top, t, top.Dir()}
	above.want("/removed", found{miss: "not in the cache"})
	if got := above.meta("/page"); got.Header.Get("X-Field") != "new" {
		t.Errorf("two directories up: %+v", got)
	}

	// Whoever has the directory below fetches it all anew.
	for _, target := range []string{"/page", "/written", "/removed"} {
		l.lower[1].put(target, "anew")
		l.want(target, found{status: 200, body: "anew"})
		if got := l.meta(target); got.Invalid || got.Header.Get("X-Field") != "" {
			t.Errorf("%s: %+v", target, got)
		}
	}
	// A new answer on top has nothing of what was hidden.
	l.put("/removed", "again")
	l.want("/removed", found{status: 200, body: "again"})
	l.clean()
}

// Forms of a document may be in several directories.
func TestLayersVariants(t *testing.T) {
	commitAs := func(r *rig, target, variant, body string) {
		w, err := r.Create()
		r.must(err)
		defer w.Close()
		_, err = io.WriteString(w, body)
		r.must(err)
		r.must(w.Commit(key(target), variant, metaOf(key(target), 200)))
	}
	l := newLayered(t, 1, func(lower []*rig) {
		lower[0].put("/page", "main")
		commitAs(lower[0], "/page", "de", "seite")
		lower[0].must(lower[0].AddVaryBy(key("/page"), "", []string{"accept-language"}))
		m := metaOf(key("/head"), 200)
		lower[0].must(lower[0].PutNote(key("/head"), "", m))
	})
	commitAs(l.rig, "/page", "fr", "page")
	l.must(l.AddVaryBy(key("/page"), "", []string{"accept"}))
	if got := l.VaryBy(key("/page"), ""); fmt.Sprint(got) != "[[accept] [accept-language]]" {
		t.Errorf("VaryBy: %v", got)
	}
	got := l.Variants(key("/page"))
	slices.Sort(got)
	if !slices.Equal(got, []string{"", "de", "fr"}) {
		t.Errorf("Variants: %q", got)
	}
	l.want("/page", found{status: 200, body: "main"})
	if _, err := l.Note(key("/head"), ""); err != nil {
		t.Errorf("a note below: %v", err)
	}
	// The main answer anew knows of the others still.
	l.put("/page", "main again")
	if got := l.VaryBy(key("/page"), ""); len(got) != 2 {
		t.Errorf("VaryBy: %v", got)
	}
	// What is replaced is preserved on top.
	l.must(l.Preserve(key("/page"), "de", "previous"))
	e, err := l.get(key("/page"), "previous")
	l.must(err)
	defer e.Close()
	if b, err := io.ReadAll(e.File); err != nil || string(b) != "seite" || e.Below {
		t.Errorf("preserved: %q, %v, %+v", b, err, e.Meta)
	}
}

// Ranges that come on top join those below.
func TestLayersParts(t *testing.T) {
	part := func(r *rig, from int64, text string) bool {
		r.t.Helper()
		w, err := r.CreatePart(key("/large"), "", PartsMeta{Meta: *metaOf(key("/large"), 200), Total: 10, Validator: `"v"`}, from)
		r.must(err)
		defer w.Close()
		_, err = w.Write([]byte(text))
		r.must(err)
		whole, err := w.Commit()
		r.must(err)
		return whole
	}
	l := newLayered(t, 1, func(lower []*rig) { part(lower[0], 0, "01234") })
	before := l.lower[0].state()
	p, err := l.Parts(key("/large"), "")
	l.must(err)
	if !p.Covers(Span{0, 5}) {
		t.Errorf("the ranges below: %v", p.Ranges)
	}
	p.Close()
	if !part(l.rig, 5, "56789") {
		t.Error("the ranges of both are not the whole")
	}
	l.must(l.Join(key("/large"), "", io.Discard, func() error { return nil }))
	l.want("/large", found{status: 200, body: "0123456789"})
	if !slices.Equal(before, l.lower[0].state()) {
		t.Error("the directory below has changed")
	}
	l.clean()
}

// A new directory has its names for credentials from below; one that has its own
// keeps them.
func TestLayersSalt(t *testing.T) {
	l := newLayered(t, 1, func([]*rig) {})
	name := l.Hash("secret")
	if name != l.lower[0].Hash("secret") {
		t.Error("a new directory has names of its own")
	}
	if again := openDir(t, l.dir, false); again.Hash("secret") != name {
		t.Error("alone it has other names")
	}
	other := newRig(t)
	s, err := OpenLayers(other.dir, false, []string{l.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Hash("secret") != other.Hash("secret") {
		t.Error("a directory has lost its names")
	}
}

func TestLayersRefused(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	inside := filepath.Join(other, "inside")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		lower []string
		want  error
	}{
		{[]string{dir}, ErrNested},
		{[]string{link}, ErrNested},
		{[]string{other, inside}, ErrNested},
		{[]string{filepath.Join(other, "none")}, fs.ErrNotExist},
	} {
		s, err := OpenLayers(dir, false, c.lower)
		if !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.lower, err, c.want)
		}
		if err == nil {
			s.Close()
		}
	}
}

// Two processes with the same directories, as far as goroutines are any: each has
// a Store of its own.
func TestLayersShared(t *testing.T) {
	const documents = 20
	target := func(i int) string { return fmt.Sprintf("/d/%d", i) }
	l := newLayered(t, 1, func(lower []*rig) {
		for i := range documents {
			lower[0].put(target(i), "below")
		}
	})
	before := l.lower[0].state()
	var wg sync.WaitGroup
	for w := range 4 {
		s, err := OpenLayers(l.dir, false, []string{l.lower[0].dir})
		l.must(err)
		defer s.Close()
		wg.Go(func() {
			for i := range documents {
				k := key(target(i))
				switch (i + w) % 4 {
				case 0:
					if err := commit(s, target(i), "on top"); err != nil {
						t.Error(err)
					}
				case 1:
					if e, err := s.Get(k, ""); err == nil {
						e.Close()
						_ = s.Touch(k, "", e.Meta) // another may have replaced it
					}
				case 2:
					if err := s.Invalidate(k); err != nil {
						t.Error(err)
					}
				}
				if got := lookUp(s, target(i)); got.own || got.body != "below" && got.body != "on top" {
					t.Errorf("%s: %+v", target(i), got)
				}
			}
		})
	}
	wg.Wait()
	for i := range documents {
		l.want(target(i), found{status: 200, body: "on top"})
	}
	if !slices.Equal(before, l.lower[0].state()) {
		t.Error("the directory below has changed")
	}
	l.clean()
}
