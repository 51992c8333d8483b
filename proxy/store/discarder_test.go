package store

import (
	"fmt"
	"os"
	"testing"
)

// visited are the documents of a directory as a walk finds them.
func (r *rig) visited() (docs []Document) {
	r.t.Helper()
	r.must(r.Walk(Walker{Visit: func(d *Document) error {
		docs = append(docs, Document{Key: d.Key, Forms: append([]Form(nil), d.Forms...)})
		return nil
	}}))
	return docs
}

// What became something else since it was visited stays, and is no error.
func TestDiscardWhatChanged(t *testing.T) {
	change := map[string]func(*rig, string){
		"nothing":  func(*rig, string) {},
		"newer":    func(r *rig, _ string) { r.write("registry.example/a/b", "newer") },
		"a folder": func(r *rig, name string) { r.must(os.Remove(name)); r.must(os.Mkdir(name, 0o755)) },
		"gone":     func(r *rig, name string) { r.must(os.Remove(name)) },
	}
	for what, change := range change {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			r.put("/a/b", "body")
			docs := r.visited()
			d, err := r.NewDiscarder()
			r.must(err)
			defer d.Close()
			name := r.path("registry.example/a/b")
			change(r, name)
			freed, err := d.Discard(docs[0].Key, docs[0].Forms[0])
			_, left := os.Lstat(name)
			if stays := what == "newer" || what == "a folder"; err != nil || (left == nil) != stays || (freed == 0) != stays {
				t.Errorf("%d bytes are free, %v; and then %v", freed, err, left)
			}
		})
	}
}

// A folder that is moved away in the middle keeps most of what was in it.
func TestDiscardOfWhatIsMoved(t *testing.T) {
	r := newRig(t)
	const n = 4 * workedUses
	for i := range n {
		r.put(fmt.Sprintf("/a/%d", i), "body")
	}
	d, err := r.NewDiscarder()
	r.must(err)
	defer d.Close()
	for i, doc := range r.visited() {
		if i == 1 {
			r.must(os.Rename(r.path("registry.example/a"), r.path("moved")))
		}
		if _, err := d.Discard(doc.Key, doc.Forms[0]); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(r.path("moved"))
	r.must(err)
	if len(left) < n-workedUses {
		t.Errorf("%d of %d are left", len(left), n)
	}
}

// However many locks come and go, their folder stays for others.
func TestDiscardLeavesTheLocksFolder(t *testing.T) {
	r := newRig(t)
	r.put("/a", "body")
	docs := r.visited()
	d, err := r.NewDiscarder()
	r.must(err)
	if _, err := d.Discard(docs[0].Key, docs[0].Forms[0]); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(r.path(locksDir))
	r.must(err)
	for _, n := range names { // as when somebody tidies up
		r.must(os.Remove(r.path(locksDir + "/" + n.Name())))
	}
	d.Close()
	if _, err := os.Stat(r.path(locksDir)); err != nil {
		t.Error(err)
	}
}
