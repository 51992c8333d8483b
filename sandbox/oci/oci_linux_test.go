package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cachex/sandbox"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]call{
		"--root /x --log /y/create.log create --bundle /b --pid-file /p --console-socket /s abc": {"create", "/b", "", "abc"},
		"create -b /b abc":                           {"create", "/b", "", "abc"},
		"--systemd-cgroup run --bundle=/b abc":       {"run", "/b", "", "abc"},
		"create abc":                                 {"create", ".", "", "abc"},
		"exec --process /p --detach abc":             {"exec", ".", "/p", "abc"},
		"exec -p /p --pid-file /q abc sh":            {"exec", ".", "/p", "abc"},
		"--log-format=json delete --force abc":       {"delete", ".", "", "abc"},
		"--version":                                  {},
		"state abc":                                  {"state", ".", "", "abc"},
		"create":                                     {"create", ".", "", ""},
		"--root /run/create create --no-pivot -b /b": {"create", "/b", "", "/b"},
	} {
		if got := parse(strings.Fields(line)); got != want {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// rig is a runtime with a root whose store is etc/certs, and a bundle of it.
type rig struct {
	Runtime
	root, bundle string
	prepared     Change
}

const authority = "AUTHORITY\n"

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{root: filepath.Join(dir, "root"), bundle: filepath.Join(dir, "bundle")}
	r.Path, r.Dir = "/bin/true", filepath.Join(dir, "copies")
	for _, d := range []string{r.root + "/etc/certs/sub", r.bundle, r.Dir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.prepared = Change{
		Trees: []sandbox.Tree{{Path: "/etc/certs", Files: []sandbox.File{
			{Name: "bundle", Data: []byte(authority + "ROOTS\n"), Mode: 0o644},
			{Name: "own.pem", Data: []byte(authority), Mode: 0o644}, {Name: "abcd.0", Link: "own.pem"},
			{Name: "java/cacerts", Data: []byte(authority), Mode: 0o644},
		}}},
		Env: []string{"BUNDLE=/etc/certs/bundle"},
	}
	r.Prepare = func(root, dir string, env []string) (Change, error) {
		if root != r.root || !slices.Contains(env, "A=b") {
			t.Errorf("prepare %s %v", root, env)
		}
		return r.prepared, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	}
	r.Environ = func(env, change []string) []string { return slices.Concat(env, change) }
	r.Without = func(b []byte) ([]byte, bool) {
		if rest := bytes.ReplaceAll(b, []byte(authority), nil); len(rest) > 0 {
			return rest, len(rest) < len(b)
		}
		return nil, true
	}
	r.put(t, "etc/certs/bundle", "ROOTS\n")
	r.put(t, "etc/certs/one", "1")
	r.put(t, "etc/certs/sub/two", "2")
	return r
}

func (r *rig) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.root, name), []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) config(t *testing.T, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, "ROOT", r.root)
	if err := os.WriteFile(filepath.Join(r.bundle, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const usualConfig = `{"ociVersion":"1.0.2","new":{"kept":12345678901234567890},"process":{"env":["A=b"],"user":{"uid":0}},
"root":{"path":"ROOT"},"mounts":[{"destination":"/dev","type":"tmpfs","source":"tmpfs","uidMappings":[]}]}`

func TestCreate(t *testing.T) {
	r := newRig(t)
	r.config(t, usualConfig)
	if err := r.create(call{command: "create", bundle: r.bundle, id: "abc"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(r.bundle, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		New     json.RawMessage
		Process struct {
			Env  []string
			User struct{ UID *int }
		}
		Mounts []mount
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if string(c.New) != `{"kept":12345678901234567890}` || c.Process.User.UID == nil || !bytes.Contains(b, []byte("uidMappings")) {
		t.Errorf("what is not known was changed: %s", b)
	}
	if !slices.Equal(c.Process.Env, []string{"A=b", "BUNDLE=/etc/certs/bundle"}) {
		t.Errorf("environment %q", c.Process.Env)
	}
	if len(c.Mounts) != 3 || c.Mounts[1].Destination != "/etc/certs" || c.Mounts[2].Destination != FilesDir {
		t.Fatalf("mounts %+v", c.Mounts)
	}
	for name, want := range map[string]string{"bundle": authority + "ROOTS\n", "abcd.0": authority, "sub/two": "2", "java/cacerts": authority} {
		if b, err := os.ReadFile(filepath.Join(c.Mounts[1].Source, name)); err != nil || string(b) != want {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
	if info, err := os.Stat(filepath.Join(c.Mounts[1].Source, "bundle")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the bundle's mode is not the root's: %v %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(c.Mounts[2].Source, "file")); err != nil {
		t.Error(err)
	}
}

// What the engine's user has mounted there stays, and a /dev of the host's gets
// nothing.
func TestCreateLeavesMounts(t *testing.T) {
	for _, at := range []string{"/etc", "/etc/certs", "/etc/certs/sub", "/etc/certs/"} {
		r := newRig(t)
		r.config(t, `{"process":{"env":["A=b"]},"root":{"path":"ROOT"},"mounts":[{"destination":"`+at+`","type":"bind"},{"destination":"/dev","type":"bind"}]}`)
		if err := r.create(call{bundle: r.bundle, id: "abc"}); err != nil {
			t.Fatal(err)
		}
		conf, err := readConfig(filepath.Join(r.bundle, "config.json"))
		if err != nil || len(conf.mounts) != 2 {
			t.Errorf("%s: %d mounts, %v", at, len(conf.mounts), err)
		}
	}
}

func TestDelete(t *testing.T) {
	r := newRig(t)
	r.config(t, usualConfig)
	if err := r.create(call{bundle: r.bundle, id: "abc"}); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(r.root, "etc/certs/bundle"))
	if err != nil {
		t.Fatal(err)
	}
	in := filepath.Join(r.Dir, "abc", "0")
	steps := []error{
		os.Remove(filepath.Join(in, "one")),
		os.RemoveAll(filepath.Join(in, "sub")),
		os.WriteFile(filepath.Join(in, "new"), []byte("new"), 0o600),
		os.MkdirAll(filepath.Join(in, "deep/er"), 0o755),
		os.WriteFile(filepath.Join(in, "deep/er/copied"), []byte(authority+"MORE\n"), 0o644),
		os.WriteFile(filepath.Join(in, "another.pem"), []byte(authority), 0o644),
		os.Symlink("another.pem", filepath.Join(in, "wxyz.0")),
		os.Symlink("/else/where/own.pem", filepath.Join(in, "rehashed.0")),
		os.Symlink("new", filepath.Join(in, "link")),
		os.WriteFile(filepath.Join(in, "java/cacerts"), []byte(authority+"JAVA\n"), 0o644),
		os.WriteFile(filepath.Join(in, "bundle.new"), []byte(authority+"ROOTS\n"), 0o640),
		os.Rename(filepath.Join(in, "bundle.new"), filepath.Join(in, "bundle")), // made anew, and the same
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	if err := r.delete(call{id: "abc"}); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	err = fs.WalkDir(os.DirFS(filepath.Join(r.root, "etc/certs")), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		at := filepath.Join(r.root, "etc/certs", path)
		if to, err := os.Readlink(at); err == nil {
			found[path] = "-> " + to
			return nil
		}
		b, err := os.ReadFile(at)
		found[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"new": "new", "deep/er/copied": "MORE\n", "link": "-> new", "bundle": "ROOTS\n", "java/cacerts": "JAVA\n"}
	for name, text := range want {
		if found[name] != text {
			t.Errorf("%s: %q, want %q", name, found[name], text)
		}
	}
	if len(found) != len(want) {
		t.Errorf("found %q", found)
	}
	if after, err := os.Stat(filepath.Join(r.root, "etc/certs/bundle")); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the bundle was made anew: %v", err)
	}
	if info, err := os.Stat(filepath.Join(r.root, "etc/certs/new")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("new: %v", err)
	}
	if left, err := os.ReadDir(r.Dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if err := r.delete(call{id: "abc"}); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// A container that makes its store a link cannot have files written elsewhere.
func TestDeleteStaysInTheRoot(t *testing.T) {
	r := newRig(t)
	r.config(t, usualConfig)
	if err := r.create(call{bundle: r.bundle, id: "abc"}); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	err := errors.Join(
		os.WriteFile(filepath.Join(r.Dir, "abc", "0", "new"), []byte("new"), 0o644),
		os.Rename(filepath.Join(r.root, "etc/certs"), filepath.Join(r.root, "etc/was")),
		os.Symlink(out, filepath.Join(r.root, "etc/certs")),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.delete(call{id: "abc"}); err == nil {
		t.Error("no error")
	}
	if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
		t.Errorf("written outside: %v %v", left, err)
	}
}

func TestJoin(t *testing.T) {
	r := newRig(t)
	r.config(t, usualConfig)
	if err := r.create(call{bundle: r.bundle, id: "abc"}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "process.json")
	if err := os.WriteFile(file, []byte(`{"args":["sh"],"env":["C=d"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.join(call{process: file, id: "abc"}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != `{"args":["sh"],"env":["C=d","BUNDLE=/etc/certs/bundle"]}` {
		t.Errorf("%s %v", b, err)
	}
	if err := r.join(call{process: file, id: "of-another"}); err != nil {
		t.Error(err)
	}
}

// A configuration that nobody can read is the real runtime's to complain of.
func TestCreateFails(t *testing.T) {
	for _, text := range []string{"", "{", `{"mounts":{}}`, `{"process":{"env":[1]}}`, `{"root":{"path":"ROOT"},"process":{"env":["A=b"]},"mounts":[1]}`} {
		r := newRig(t)
		r.config(t, text)
		before, _ := os.ReadFile(filepath.Join(r.bundle, "config.json"))
		if err := r.create(call{bundle: r.bundle, id: "abc"}); err == nil {
			t.Errorf("%q: no error", text)
		}
		after, err := os.ReadFile(filepath.Join(r.bundle, "config.json"))
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%q became %q", before, after)
		}
		if left, err := os.ReadDir(r.Dir); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
}
