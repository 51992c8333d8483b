package store

import (
	"os"
	"testing"
	"time"
)

// What a killed process left in the temporary folder goes with a later Open,
// and what somebody may be writing stays.
func TestSweepTemp(t *testing.T) {
	r := newRig(t)
	old := time.Now().Add(-2 * abandoned)
	r.write(tempDir+"/old", "half a bod")
	r.write(tempDir+"/aside/%self", "a document that was to become a folder")
	r.write(tempDir+"/new", "half a body of now")
	r.must(os.Symlink("404", r.path(tempDir+"/link")))
	for _, name := range []string{"/old", "/aside"} {
		r.must(os.Chtimes(r.path(tempDir+name), old, old))
	}
	openDir(t, r.dir, true) // which only reads
	for _, name := range []string{"/old", "/aside/%self", "/new"} {
		if _, err := os.Lstat(r.path(tempDir + name)); err != nil {
			t.Error(err)
		}
	}
	openDir(t, r.dir, false)
	left, err := os.ReadDir(r.path(tempDir))
	r.must(err)
	if len(left) != 2 || left[0].Name() != "link" || left[1].Name() != "new" {
		t.Errorf("left are %v", left)
	}
}
