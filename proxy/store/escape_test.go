package store

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// outside makes a directory with a secret that no store may read or change.
func outside(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func untouched(t *testing.T, dir string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 || names[0].Name() != "secret" {
		t.Errorf("outside there is now %v, %v", names, err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "secret")); err != nil || string(data) != "secret" {
		t.Errorf("the secret is now %q, %v", data, err)
	}
}

// Links that lead out of the directory are read as misses, and what is kept
// takes their place.
func TestLinksOutside(t *testing.T) {
	out := outside(t)
	up, err := filepath.Rel("/", out)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ name, to, target string }{
		"file":              {"registry.example/secret", out + "/secret", "/secret"},
		"folder":            {"registry.example/dir", out, "/dir/secret"},
		"host":              {"registry.example", out, "/secret"},
		"relative":          {"registry.example/secret", "../../../../../../../../../" + up + "/secret", "/secret"},
		"document's folder": {"registry.example/dir/%self", out + "/secret", "/dir"},
		"missing":           {"registry.example/new", out + "/new", "/new"},
		"folder to be":      {"registry.example/dir", out + "/dir", "/dir/a/b"},
		"two steps":         {"registry.example/step", "../step2", "/step/secret"},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			r.must(os.MkdirAll(filepath.Dir(r.path(c.name)), 0o755))
			r.must(os.Symlink(c.to, r.path(c.name)))
			r.must(os.Symlink(out, r.path("step2")))
			if got := lookUp(r.Store, c.target); got.miss == "" {
				t.Errorf("%s is served: %+v", c.target, got)
			}
			// It may be kept or not, but inside.
			if err := commit(r.Store, c.target, "body"); err == nil {
				r.want(c.target, found{status: 200, body: "body"})
			}
			r.PutStatus(key(c.target+"/gone"), "", metaOf(key(c.target+"/gone"), 404))
			r.Index(key(c.target))
			r.Remove(key(c.target), "")
			untouched(t, out)
		})
	}
}

// The store's own folders may have been replaced by links, too.
func TestPrivateLinksOutside(t *testing.T) {
	for _, name := range []string{private, metaDir, tempDir, locksDir, absentDir, saltName, metaDir + "/registry.example"} {
		t.Run(name, func(t *testing.T) {
			out := outside(t)
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(out, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if s, err := Open(dir, false); err == nil {
				if l, err := s.Lock(t.Context(), key("/a"), ""); err == nil {
					commit(s, "/a", "body")
					l.Unlock()
				}
				s.NoteName("gone.example", false)
				s.Remove(key("/a"), "")
				s.Close()
			}
			untouched(t, out)
		})
	}
}

// URLs that try to leave the directory are names within it.
func TestURLsOutside(t *testing.T) {
	out := outside(t)
	dir := filepath.Join(out, "cache")
	s := openDir(t, dir, false)
	for _, raw := range []string{
		"https://registry.example/../../secret", "https://registry.example/%2e%2e/%2e%2e/secret", "https://registry.example/..%2f..%2fsecret",
		"https://registry.example//secret", "https://registry.example/./././secret", "https://../secret", "https://./secret",
		"https://registry.example/a?/../../../secret", "https://.cachex/salt", "https://.cachex/meta/x", "https://registry.example/..\\secret",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		k := KeyOf(u)
		if e, err := s.Get(k, "../../secret"); err == nil {
			t.Errorf("%s is there: %+v", raw, e.Meta)
		}
		for _, variant := range []string{"", "../../secret", "/"} {
			if err := s.PutStatus(k, variant, metaOf(k, 404)); err != nil {
				t.Errorf("%s %q: %v", raw, variant, err)
			}
			e, err := s.Get(k, variant)
			if err != nil || e.Status != 404 || e.Own {
				t.Errorf("%s %q reads back as %+v, %v", raw, variant, e, err)
			}
		}
	}
	salt, err := os.ReadFile(filepath.Join(dir, saltName))
	if err != nil || len(salt) != saltSize {
		t.Errorf("the salt was written to: %v", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	untouched(t, out)
}
