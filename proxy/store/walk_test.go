package store

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// walked lists a directory as "URL forms", and what was skipped as "! NAME".
func walked(t *testing.T, s *Store, host string) []string {
	t.Helper()
	var got []string
	err := s.Walk(Walker{
		Host: host,
		Visit: func(d *Document) error {
			line := d.Key.URL("https")
			for _, f := range d.Forms {
				line += " " + [...]string{"file", "status", "note", "orphan", "parts"}[f.Kind]
				if f.Variant != "" {
					line += "~" + f.Variant
				}
				if f.Status != "" {
					line += "=" + f.Status
				}
				if f.Own() {
					line += "(own)"
				}
			}
			got = append(got, line)
			return nil
		},
		Skip: func(name, reason string) { got = append(got, "! "+name+": "+reason) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Everything that a directory can have is visited once, in order, and what
// stands for nothing is named with a reason.
func TestWalk(t *testing.T) {
	r := newRig(t)
	for _, target := range []string{"/a", "/a/", "/a/b", "/a.b", "/z?q=1", "/both", "/both/x", "/both/x/y", "/gone", "/" + strings.Repeat("l", 300)} {
		r.put(target, "body")
	}
	r.must(os.Remove(r.path("registry.example/gone")))
	r.putStatus("/both/x", 404, "no")
	m := metaOf(key("/a"), 200)
	w, err := r.Create()
	r.must(err)
	r.must(w.Commit(key("/a"), "json", m))
	w.Close()
	r.must(r.PutNote(key("/head"), "", m))
	r.must(r.PutNote(key("/a"), "json", m))
	pw, err := r.CreatePart(key("/parts"), "", PartsMeta{Meta: *metaOf(key("/parts"), 200), Total: 10}, 0)
	r.must(err)
	pw.Write([]byte("12345"))
	_, err = pw.Commit()
	r.must(err)
	pw.Close()
	r.write("other.example:8080/own", "mine")
	r.write("other.example:8080/own~not/%self", "mine")
	r.write("notes", "mine")
	r.write(".git/config", "mine")
	r.write("registry.example/%_zz", "mine")
	r.must(os.Symlink("503", r.path("registry.example/down")))
	r.must(os.Symlink("a.b", r.path("registry.example/linked")))
	r.must(os.Symlink("nowhere", r.path("registry.example/dangling")))
	r.must(os.Symlink("a", r.path("registry.example/linkeddir")))
	r.must(os.Symlink("/etc/passwd", r.path("registry.example/out")))
	want := []string{
		"! .git: it is not the folder of a host", // in the order of the disk
		"! notes: it is not in the folder of a host",
		"https://other.example:8080/own file(own)",
		"https://other.example:8080/own~not file(own)",
		"! registry.example/%_zz: not the name of a cached document",
		"https://registry.example/a file file~json note~json,head",
		"https://registry.example/a.b file",
		"https://registry.example/both file",
		`! registry.example/dangling: its link to "nowhere" is no status code and leads to no file here`,
		"https://registry.example/down status=503(own)",
		"https://registry.example/gone orphan",
		"https://registry.example/head note~head",
		"https://registry.example/linked file(own)",
		"! registry.example/linkeddir: links to folders are not followed here",
		`! registry.example/out: its link to "/etc/passwd" is no status code and leads to no file here`,
		"https://registry.example/parts parts",
		"https://registry.example/z?q=1 file",
		"https://registry.example/a/b file",
		"https://registry.example/a/ file",
		"https://registry.example/both/x status=404",
		"https://registry.example/both/x/y file",
		"https://registry.example/" + strings.Repeat("l", 300) + " file",
	}
	got := walked(t, r.Store, "")
	slices.Sort(got[:2])
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("walked\n%s\nwant\n%s", g, w)
	}
	if got := walked(t, openDir(t, r.dir, true), "other.example:8080"); strings.Join(got, "\n") != strings.Join(want[2:4], "\n") {
		t.Errorf("of one host: %q", got)
	}
	if got := walked(t, r.Store, "nobody.example"); got != nil {
		t.Errorf("of no host: %q", got)
	}
}

// A walk goes on when others change what it walks through.
func TestWalkOfWhatChanges(t *testing.T) {
	r := newRig(t)
	for i := range 50 {
		r.put(fmt.Sprintf("/%d/a", i), "body")
	}
	n := 0
	r.must(r.Walk(Walker{Visit: func(*Document) error {
		n++
		return os.RemoveAll(r.path("registry.example"))
	}}))
	if n == 0 || n > 51 { // their metadata is there still
		t.Errorf("%d visits", n)
	}
	if r.must(os.RemoveAll(r.path(private))); len(walked(t, r.Store, "")) > 0 {
		t.Error("something is found where nothing is")
	}
}

// Two answers that are one file take its room once.
func TestBytesOfLinks(t *testing.T) {
	r := newRig(t)
	r.put("/index", "body of ten")
	bytes := func() (n int64) {
		r.must(r.Walk(Walker{Visit: func(d *Document) error { n += d.Bytes(); return nil }}))
		return n
	}
	alone := bytes()
	at := r.path("registry.example/index")
	r.must(os.Link(at, at+"%~lock-1"))
	if n := bytes(); n != alone && runtime.GOOS == "linux" {
		t.Errorf("%d bytes with a second name, %d without", n, alone)
	}
	r.must(os.Remove(at + "%~lock-1"))
	r.must(os.WriteFile(at+"%~lock-1", []byte("body of ten"), 0o644))
	if n := bytes(); n != alone+11 {
		t.Errorf("%d bytes with a copy, %d without", n, alone)
	}
}

// A folder with more documents than are looked through at once is visited whole and
// in order, also when the walk ends within it, and no document is torn apart.
func TestWalkOfLargeFolders(t *testing.T) {
	r := newRig(t)
	const documents = 3*aheadItems + 100
	for i := range documents {
		r.write(fmt.Sprintf("registry.example/large/%05d", i), "mine")
	}
	torn := fmt.Sprintf("registry.example/large/%05d", aheadItems-1) // its forms are on both sides
	for i := range 5 {
		r.write(fmt.Sprintf("%s%s%d", torn, variantOf, i), "mine")
	}
	r.write("registry.example/large/below/a", "mine")
	r.write("registry.example/more/a", "mine")
	want := make([]string, 0, documents+2)
	for i := range documents {
		want = append(want, fmt.Sprintf("/large/%05d", i))
	}
	want = append(want, "/large/below/a", "/more/a")
	stop := errors.New("stop")
	for _, end := range []int{len(want), 1, aheadItems + 1, documents} {
		var got []string
		forms := 0
		err := r.Walk(Walker{Visit: func(d *Document) error {
			got = append(got, d.Key.Target)
			forms += len(d.Forms)
			if len(got) == end && end < len(want) {
				return stop
			}
			return nil
		}})
		if !slices.Equal(got, want[:end]) || (err == stop) != (end < len(want)) {
			t.Errorf("%d of %d visited, %v", len(got), end, err)
		}
		if end == len(want) && forms != len(want)+5 {
			t.Errorf("%d forms", forms)
		}
	}
	if runtime.GOOS == "linux" {
		open, err := os.ReadDir("/proc/self/fd")
		r.must(err)
		for _, fd := range open {
			if at, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.Contains(at, "/large") {
				t.Errorf("%s is still open", at)
			}
		}
	}
}

// What a walk has read of bodies is what is on the disk, whatever its size, and
// only of documents that it was to visit.
func TestWalkReadsBodies(t *testing.T) {
	r := newRig(t)
	r.put("/leave/a", "left")
	r.put("/empty", "")
	r.put("/own", "body")
	r.write("registry.example/own", "edited")
	held := 0
	for i := range 2 * maxHeld / maxHeldBody { // more than is held at once
		r.put(fmt.Sprintf("/held/%d", i), strings.Repeat(string(rune('a'+i%26)), maxHeldBody-i))
	}
	r.put("/larger", strings.Repeat("x", maxHeldBody+1))
	visited := 0
	r.must(r.Walk(Walker{
		ReadBodies: true,
		Only:       func(k Key) bool { return !strings.HasPrefix(k.Target, "/leave") },
		Visit: func(d *Document) error {
			visited++
			f := d.Forms[0]
			b, err := os.ReadFile(r.path(f.Name))
			switch {
			case err != nil:
				t.Error(err)
			case f.body == nil && d.Key.Target == "/empty":
				t.Error("an empty file is not read")
			case f.body != nil && string(b) != string(f.body):
				t.Errorf("%s: %d bytes are read of %d, or others", f.Name, len(f.body), len(b))
			case f.body != nil:
				held += len(f.body)
			}
			return nil
		},
	}))
	if want := 2*maxHeld/maxHeldBody + 3; visited != want || held == 0 || held > maxHeld {
		t.Errorf("%d of %d visited, %d bytes read", visited, want, held)
	}
}
