package store

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A name may be a document and a folder, whichever comes first and whatever
// the document is.
func TestDocumentAndFolder(t *testing.T) {
	document := map[string]func(*rig, string) found{
		"file": func(r *rig, target string) found {
			r.put(target, "document")
			return found{status: 200, body: "document"}
		},
		"error": func(r *rig, target string) found {
			r.putStatus(target, 404, "no")
			return found{status: 404, body: "no"}
		},
		"redirect": func(r *rig, target string) found {
			r.putStatus(target, 301, "there")
			return found{status: 301, body: "there"}
		},
		"own file": func(r *rig, target string) found {
			name := "registry.example" + target
			if fi, err := os.Stat(r.path(name)); err == nil && fi.IsDir() {
				name += "/" + selfName
			}
			r.write(name, "mine")
			return found{status: 200, body: "mine", own: true}
		},
	}
	for what, makeDocument := range document {
		for _, child := range []string{"/pkg/", "/pkg/-/pkg-1.0.0.tgz", "/pkg/a/b/c/d", "/pkg//x", "/pkg/404"} {
			for _, order := range []string{"document first", "folder first"} {
				t.Run(what+" "+order+" "+child, func(t *testing.T) {
					r := newRig(t)
					var want found
					if order == "document first" {
						want = makeDocument(r, "/pkg")
						r.put(child, "child")
					} else {
						r.put(child, "child")
						want = makeDocument(r, "/pkg")
					}
					r.want("/pkg", want)
					r.want(child, found{status: 200, body: "child"})
					again := makeDocument(r, "/pkg")
					r.want("/pkg", again)
					if !want.own {
						r.must(r.Remove(key("/pkg"), ""))
						r.want("/pkg", found{miss: "not in the cache"})
					}
					r.want(child, found{status: 200, body: "child"})
					r.clean()
				})
			}
		}
	}
}

// Each level of a path may be a document.
func TestDocumentsAllTheWay(t *testing.T) {
	r := newRig(t)
	targets := []string{"/a/b/c/d", "/a", "/a/b/c", "/a/b", "/a/b/c/d/e", "/a/b/"}
	for _, target := range targets {
		r.put(target, "body of "+target)
	}
	for _, target := range targets {
		r.want(target, found{status: 200, body: "body of " + target})
	}
	r.clean()
}

// Two processes put documents below, beside and in place of one another.
func TestFoldersOfTwoProcesses(t *testing.T) {
	r := newRig(t)
	stores := []*Store{r.Store, openDir(t, r.dir, false)}
	for round := range 60 {
		base := fmt.Sprintf("/pkg%d", round)
		if round%2 == 0 {
			r.put(base, "document")
		} else {
			r.putStatus(base, 404, "no")
		}
		targets := []string{base, base + "/a", base + "/", base + "/a/b", base + "/c"}
		var wg sync.WaitGroup
		for i, target := range targets {
			wg.Go(func() {
				s := stores[i%len(stores)]
				l, err := s.Lock(t.Context(), key(target), "")
				if err != nil {
					t.Error(err)
					return
				}
				defer l.Unlock()
				if err := commit(s, target, "new "+target); err != nil {
					t.Errorf("put %s: %v", target, err)
				}
			})
		}
		wg.Wait()
		for _, target := range targets {
			r.want(target, found{status: 200, body: "new " + target})
		}
		if t.Failed() {
			return
		}
	}
	r.clean()
}

// Names that are too long for a file system are folders of parts.
func TestLongNamesOnDisk(t *testing.T) {
	r := newRig(t)
	var targets []string
	for _, n := range []int{199, 200, 201, 203, 255, 256, 400, 401, 1000} {
		x := strings.Repeat("x", n)
		targets = append(targets, "/"+x, "/"+x+"/", "/"+x+"/"+x+".tgz", "/"+x+"?"+strings.Repeat("%2F/", n/4), "/"+x+"404")
	}
	for _, target := range targets {
		r.put(target, target)
	}
	long := Key{Host: strings.Repeat("h", 255), Target: "/a"}
	r.must(r.PutStatus(long, strings.Repeat("v", 300), metaOf(long, http.StatusNotFound)))
	if e, err := r.Get(long, strings.Repeat("v", 300)); err != nil || e.Status != 404 {
		t.Errorf("a long host and variant: %v", err)
	}
	for _, target := range targets {
		r.want(target, found{status: 200, body: target})
	}
	r.must(filepath.WalkDir(r.dir, func(p string, d fs.DirEntry, err error) error {
		if len(d.Name()) > 255 {
			t.Errorf("%s has %d bytes", p, len(d.Name()))
		}
		return err
	}))
}

// TestNewerDocumentStays: what was put aside does not take the place of what
// another writer has put there meanwhile, be it a file or a link.
func TestNewerDocumentStays(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"older", "newer"} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("404", filepath.Join(r.dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"older", "link"} {
		if err := r.giveName(from, "newer"); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(r.dir, "newer")); string(b) != "newer" || err != nil {
			t.Errorf("%s has replaced it: %q, %v", from, b, err)
		}
		if err := r.giveName(from, "free-"+from); err != nil {
			t.Fatal(err)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(r.dir, "free-older")); string(b) != "older" {
		t.Errorf("a free name holds %q", b)
	}
	if target, _ := os.Readlink(filepath.Join(r.dir, "free-link")); target != "404" {
		t.Errorf("a link became one to %q", target)
	}
}
