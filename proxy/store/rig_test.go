package store

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rig is a store in a directory of its own.
type rig struct {
	*Store
	t   *testing.T
	dir string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	return &rig{openDir(t, dir, false), t, dir}
}

func openDir(t *testing.T, dir string, readOnly bool) *Store {
	t.Helper()
	s, err := Open(dir, readOnly)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func key(target string) Key { return Key{Host: "registry.example", Target: target} }

func metaOf(k Key, status int) *Meta {
	now := time.Now()
	return &Meta{URL: k.URL("https"), Status: status, Header: http.Header{"Etag": {`"x"`}}, Requested: now, Received: now}
}

// commit keeps a body as the proxy does.
func commit(s *Store, target, body string) error {
	w, err := s.Create()
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.WriteString(w, body); err != nil {
		return err
	}
	return w.Commit(key(target), "", metaOf(key(target), http.StatusOK))
}

func (r *rig) put(target, body string) {
	r.t.Helper()
	if err := commit(r.Store, target, body); err != nil {
		r.t.Fatalf("put %s: %v", target, err)
	}
}

func (r *rig) putStatus(target string, status int, text string) {
	r.t.Helper()
	m := metaOf(key(target), status)
	m.Body = []byte(text)
	if err := r.PutStatus(key(target), "", m); err != nil {
		r.t.Fatalf("put %s: %v", target, err)
	}
}

// found is what a test sees of an entry.
type found struct {
	status int
	body   string
	own    bool
	miss   string
}

func lookUp(s *Store, target string) found {
	e, err := s.Get(key(target), "")
	if err != nil {
		var m *MissError
		if !errors.As(err, &m) || e != nil {
			return found{miss: "not a MissError: " + err.Error()}
		}
		return found{miss: m.Reason}
	}
	defer e.Close()
	f := found{status: e.Status, body: string(e.Body), own: e.Own}
	if e.File != nil {
		body, err := io.ReadAll(e.File)
		if err != nil {
			return found{miss: "read: " + err.Error()}
		}
		f.body = string(body)
	}
	return f
}

// want compares what is found. A miss is compared by a part of its reason.
func (r *rig) want(target string, want found) {
	r.t.Helper()
	got := lookUp(r.Store, target)
	if want.miss != "" && got.status == 0 && strings.Contains(got.miss, want.miss) {
		return
	}
	if got != want {
		r.t.Errorf("%s: %+v, want %+v", target, got, want)
	}
}

// path is where a file of the directory is.
func (r *rig) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

func (r *rig) write(name, body string) {
	r.t.Helper()
	r.must(os.MkdirAll(filepath.Dir(r.path(name)), 0o755))
	r.must(os.WriteFile(r.path(name), []byte(body), 0o644))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// clean is an error when the private folders hold something that is only
// there while something is written.
func (r *rig) clean() {
	r.t.Helper()
	for _, d := range []string{tempDir, locksDir} {
		left, err := os.ReadDir(r.path(d))
		r.must(err)
		for _, e := range left {
			if !r.spared(d + "/" + e.Name()) {
				r.t.Errorf("%s/%s is left behind", d, e.Name())
			}
		}
	}
}

// spared tells whether a file is a spare one that an open store holds. It names
// no document then.
func (r *rig) spared(name string) bool {
	if !strings.HasPrefix(path.Base(name), sparePrefix) {
		return false
	}
	f, err := os.Open(r.path(name))
	r.must(err)
	defer f.Close()
	b, err := io.ReadAll(f)
	r.must(err)
	return (len(b) == 0 || b[0] == '\n') && !flockFile(f)
}
