package store

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// problems are what Verify finds, as "NAME: REASON", sorted.
func (r *rig) problems(v Verifier) []string {
	r.t.Helper()
	var got []string
	v.Found = func(p Problem) error {
		line := p.Name + ": " + p.Reason
		if p.Fixed {
			line += " (fixed)"
		}
		got = append(got, line)
		return p.Err
	}
	r.must(r.Verify(v))
	slices.Sort(got)
	return got
}

// Damage is found and mended; a user's own files, edited or new, are none.
func TestVerify(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"good", "flipped", "cut", "removed", "edited", "touched", "bad-meta", "varied"} {
		r.put("/"+name, "body")
	}
	r.putStatus("/gone", 404, "no")
	r.redirect("/moved", "/good")
	r.must(r.PutNote(key("/head"), "", metaOf(key("/head"), 200)))
	const at = "registry.example/"
	r.keepTime(at+"flipped", func() { r.must(os.WriteFile(r.path(at+"flipped"), []byte("BODY"), 0o644)) })
	r.keepTime(at+"cut", func() { r.must(os.Truncate(r.path(at+"cut"), 1)) })
	r.must(os.Remove(r.path(at + "removed")))
	r.write(at+"edited", "my own now")
	r.age(at+"edited", time.Hour)
	r.age(at+"touched", -time.Hour)
	r.write(at+"mine", "mine")
	r.write(metaDir+"/"+at+"bad-meta"+metaExt, "{")
	r.must(r.AddVaryBy(key("/varied"), "", []string{"accept"}))
	r.must(os.Remove(r.path(at + "varied")))
	r.write(partsDir+"/"+at+"part"+dataExt, "xx")
	r.write(tempDir+"/old", "x")
	r.must(os.Chtimes(r.path(tempDir+"/old"), time.Time{}, time.Now().Add(-48*time.Hour)))
	r.write(tempDir+"/young", "x")

	want := []string{
		tempDir + "/old: left by a process that was killed",
		metaDir + "/" + at + "removed" + metaExt + ": metadata without its file",
		partsDir + "/" + at + "part" + dataExt + ": its parts are damaged",
		at + "bad-meta: its metadata is damaged",
		at + "cut: its file has 1 of 4 bytes",
		at + "flipped: its bytes have changed: the SHA-256 digest is not 230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5",
	}
	slices.Sort(want)
	compare := func(what string, got, want []string) {
		t.Helper()
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Errorf("%s:\n%s\nwant\n%s", what, g, w)
		}
	}
	compare("found", r.problems(Verifier{}), want)
	quick := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return strings.Contains(s, "flipped") })
	compare("quickly", r.problems(Verifier{Quick: true}), quick)
	compare("read-only", (&rig{openDir(t, r.dir, true), t, r.dir}).problems(Verifier{}), want)
	for i := range want {
		want[i] += " (fixed)"
	}
	compare("fixed", r.problems(Verifier{Fix: true}), want)
	compare("afterwards", r.problems(Verifier{}), nil)
	r.want("/good", found{status: 200, body: "body"})
	r.want("/edited", found{status: 200, body: "my own now", own: true})
	r.want("/touched", found{status: 200, body: "body"})
	r.want("/mine", found{status: 200, body: "mine", own: true})
	for _, target := range []string{"/flipped", "/cut", "/bad-meta"} {
		r.want(target, found{miss: "not in the cache"})
	}
}

// What a run is writing meanwhile is never a problem.
func TestVerifyBesideRuns(t *testing.T) {
	r := newRig(t)
	stop := make(chan struct{})
	ended := make(chan struct{})
	other := openDir(t, r.dir, false)
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			target := fmt.Sprintf("/%d", i%5)
			l, err := other.Lock(context.Background(), key(target), "")
			if err == nil {
				err = commit(other, target, strings.Repeat("x", 1+i%3000))
				l.Unlock()
			}
			if err != nil {
				t.Error(err)
			}
		}
	}()
	for range 40 {
		if got := r.problems(Verifier{Fix: true}); got != nil {
			t.Errorf("found %q", got)
			break
		}
	}
	close(stop)
	<-ended
}
