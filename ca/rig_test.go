package ca

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	securejoin "github.com/cyphar/filepath-securejoin"
)

// link is the content of a symbolic link in a machine's files.
func link(target string) string { return "-> " + target }

// machine is a fake file system and what a build sees in it.
type machine struct {
	t     *testing.T
	root  string
	own   string // the authority, PEM
	hash  string // its subject's
	trust Trust
	env   environment
}

// newMachine makes files beneath a root: a name that ends with a slash is a
// directory. Nothing is placed yet.
func newMachine(t *testing.T, files map[string]string) *machine {
	t.Helper()
	// A temporary directory can be reached through links.
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, path)
		} else if dir != path {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return &machine{t: t, root: root}
}

// build asks for the trust of a build with these variables and puts it in place
// as the sandbox does.
func (m *machine) build(env ...string) *machine {
	m.t.Helper()
	a := newAuthority(m.t)
	trust, err := a.Trust(m.root, env)
	if err != nil {
		m.t.Fatal(err)
	}
	hash, err := subjectHash(a.cert.RawSubject)
	if err != nil {
		m.t.Fatal(err)
	}
	m.own, m.hash, m.trust, m.env = string(a.PEM()), hash, trust, environment(slices.Concat(env, trust.Env))
	for _, tree := range trust.Trees {
		dir := filepath.Join(m.root, tree.Path)
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			m.t.Errorf("tree %s is no directory: %v", tree.Path, err)
			continue
		}
		if real, err := filepath.EvalSymlinks(dir); err != nil || real != dir {
			m.t.Errorf("tree %s is reached through a link: %s, %v", tree.Path, real, err)
		}
		if len(tree.Files) == 0 {
			m.t.Errorf("tree %s has no files", tree.Path)
		}
		for _, f := range tree.Files {
			m.place(dir, f)
		}
	}
	return m
}

func (m *machine) place(dir string, f File) {
	m.t.Helper()
	path := filepath.Join(dir, f.Name)
	if !filepath.IsLocal(f.Name) {
		m.t.Errorf("%s leads out of %s", f.Name, dir)
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Error(err)
		return
	}
	os.Remove(path) // if it is there
	var err error
	if f.Link != "" {
		err = os.Symlink(f.Link, path)
	} else {
		// apt and others read as a user of their own.
		if f.Mode != 0o644 {
			m.t.Errorf("%s has mode %v", path, f.Mode)
		}
		err = os.WriteFile(path, f.Data, f.Mode)
	}
	if err != nil {
		m.t.Error(err)
	}
}

// read is what a program in the build reads.
func (m *machine) read(name string) []byte {
	m.t.Helper()
	path, err := securejoin.SecureJoin(m.root, name)
	if err != nil {
		m.t.Errorf("%s: %v", name, err)
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		m.t.Errorf("%s: %v", name, err)
	}
	return data
}

func (m *machine) wantPEM(name string, want ...string) {
	m.t.Helper()
	if got := m.read(name); !sameCertificates(got, want...) {
		m.t.Errorf("%s holds %d certificates, not these %d:\n%s", name, len(sums(got)), len(want), got)
	}
}

func (m *machine) wantJava(name string, want ...string) {
	m.t.Helper()
	ders, err := storeCertificates(m.read(name), javaPassword)
	if got := pemOf(ders...); err != nil || !sameCertificates([]byte(got), want...) {
		m.t.Errorf("%s holds %d certificates, not these %d: %v", name, len(ders), len(want), err)
	}
}

// wantTouched checks the directories and files that a build sees differently,
// written as directory: file, file. HASH is the subject's.
func (m *machine) wantTouched(want ...string) {
	m.t.Helper()
	var got []string
	for _, tree := range m.trust.Trees {
		var names []string
		for _, f := range tree.Files {
			names = append(names, strings.ReplaceAll(f.Name, m.hash, "HASH"))
		}
		slices.Sort(names) // the hash can be anything
		got = append(got, tree.Path+": "+strings.Join(names, ", "))
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("touched:\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func (m *machine) wantEnv(name, want string) {
	m.t.Helper()
	if got := m.env.get(name); got != want {
		m.t.Errorf("%s is %q, want %q", name, got, want)
	}
}

// sets tells whether the build's variables include one.
func (m *machine) sets(name string) bool {
	return slices.ContainsFunc(m.trust.Env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
}
