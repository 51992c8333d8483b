package store

import (
	"os"
	"testing"
	"time"
)

// A use is marked where only cachex looks, at most once a day, whatever the
// answer is, and in a store that keeps nothing too.
func TestUseIsMarked(t *testing.T) {
	r := newRig(t)
	r.put("/a", "body")
	r.putStatus("/gone", 404, "no")
	for _, readOnly := range []bool{false, true} {
		s := openDir(t, r.dir, readOnly)
		for _, target := range []string{"/a", "/gone"} {
			meta := r.path(metaName(key(target), ""))
			used := func() time.Time {
				t.Helper()
				fi, err := os.Stat(meta)
				r.must(err)
				return fi.ModTime()
			}
			for _, c := range []struct {
				age    time.Duration
				marked bool
			}{{30 * 24 * time.Hour, true}, {time.Hour, false}, {-30 * 24 * time.Hour, true}} {
				before := time.Now().Add(-c.age).Truncate(time.Second)
				r.must(os.Chtimes(meta, time.Time{}, before))
				if f := lookUp(s, target); f.own || f.status == 0 {
					t.Fatalf("%s: %+v", target, f)
				}
				if marked := !used().Equal(before); marked != c.marked {
					t.Errorf("%s, last used %v ago, read-only %t: marked is %t", target, c.age, readOnly, marked)
				}
			}
		}
	}
}
