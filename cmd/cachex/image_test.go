package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// rootFiles are the files of an image, by their paths in it.
type rootFiles map[string][]byte

// imagePrograms are this machine's programs that the tests' image has.
var imagePrograms = []string{
	"sh", "cat", "chmod", "cp", "env", "find", "grep", "id", "kill", "ls", "mkdir", "pwd", "rm", "sed", "setsid", "sleep", "stat", "stty", "test", "touch", "true", "tty", "uname",
}

// ownPrograms are those of TestMain that the image has.
var ownPrograms = []string{"fetch", "talk", "listen", "lookup", "procs", "burst"}

// addProgram adds a program of this machine, with the libraries that it needs.
func (r rootFiles) addProgram(at, path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if r[at], err = os.ReadFile(real); err != nil {
		return err
	}
	f, err := elf.NewFile(bytes.NewReader(r[at]))
	if err != nil {
		return nil // a script
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err != nil {
				return err
			}
			if err := r.addLibrary(string(bytes.TrimRight(b, "\x00"))); err != nil {
				return err
			}
		}
	}
	names, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, name := range names {
		found := false
		for _, pattern := range []string{"/lib/*-linux-gnu*/", "/usr/lib/*-linux-gnu*/", "/lib64/", "/usr/lib64/", "/lib/", "/usr/lib/"} {
			hits, _ := filepath.Glob(pattern + name) // well-formed
			if len(hits) > 0 {
				if err := r.addLibrary(hits[0]); err != nil {
					return err
				}
				found = true
				break
			}
		}
		if !found {
			return fmt.Errorf("%s needs %s, which is not here", path, name)
		}
	}
	return nil
}

func (r rootFiles) addLibrary(path string) error {
	if _, ok := r[path]; ok {
		return nil
	}
	return r.addProgram(path, path)
}

// tar is the image. Modes are those of programs; /tmp is for all.
func (r rootFiles) tar() ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, d := range []string{"etc/", "tmp/", "proc/", "dev/", "sys/"} {
		mode := int64(0o755)
		if d == "tmp/" {
			mode = 0o1777
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d, Mode: mode}); err != nil {
			return nil, err
		}
	}
	for path, data := range r {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(path, "/"), Mode: 0o755, Size: int64(len(data))}
		if target, ok := bytes.CutPrefix(data, []byte("-> ")); ok {
			h = &tar.Header{Typeflag: tar.TypeSymlink, Name: h.Name, Linkname: string(target)}
			data = nil
		}
		if err := errors.Join(w.WriteHeader(h)); err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), w.Close()
}

// engine is podman with a storage and settings of the test's own.
type engine struct{ env []string }

// newEngine skips the test where podman cannot run a container at all.
func newEngine(t *testing.T) *engine {
	t.Helper()
	if _, err := exec.LookPath("podman"); err != nil {
		t.Skip("podman is not installed")
	}
	dir, err := os.MkdirTemp("", "cachex-engine-") // its files may be those of other ids
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{env: []string{
		"CONTAINERS_STORAGE_CONF=" + filepath.Join(dir, "storage.conf"),
		"CONTAINERS_CONF=" + filepath.Join(dir, "containers.conf"),
		"XDG_RUNTIME_DIR=" + filepath.Join(dir, "runtime"), // where no service is
	}}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("storage.conf", fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\nrootless_storage_path = %q\n",
		filepath.Join(dir, "graph"), filepath.Join(dir, "run"), filepath.Join(dir, "graph")))
	runtime := "runc"
	if _, err := exec.LookPath(runtime); err != nil {
		runtime = "crun"
	}
	write("containers.conf", fmt.Sprintf("[engine]\nruntime = %q\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n"+
		"[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n", runtime))
	if err := os.Mkdir(filepath.Join(dir, "runtime"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := e.podman("ps", "-aq").Output(); err != nil || len(out) > 0 {
			t.Errorf("containers are left: %s %v", out, err)
		}
		e.podman("rmi", "--all", "--force").Run() // what is left goes with the directory
		if os.Geteuid() != 0 {
			e.podman("unshare", "rm", "-rf", dir).Run() // as here
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *engine) podman(args ...string) *exec.Cmd {
	c := exec.Command("podman", args...)
	c.Env = append(os.Environ(), e.env...)
	return c
}

// add imports an image of the files.
func (e *engine) add(t *testing.T, name string, files rootFiles, changes ...string) {
	t.Helper()
	b, err := files.tar()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"import", "--quiet"}
	for _, c := range changes {
		args = append(args, "--change", c)
	}
	c := e.podman(append(args, "-", name)...)
	c.Stdin = bytes.NewReader(b)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("podman import: %v\n%s", err, out)
	}
}

// usualRoot has programs, a bundle and a user.
func usualRoot(t *testing.T) rootFiles {
	t.Helper()
	r := rootFiles{
		"/etc/passwd":                        []byte("root:x:0:0:root:/root:/bin/sh\nbuilder:x:1000:1000::/home/builder:/bin/sh\n"),
		"/etc/group":                         []byte("root:x:0:\nbuilder:x:1000:\nextra:x:2000:builder\n"),
		"/etc/ssl/certs/ca-certificates.crt": nil,
		"/root/.keep":                        nil,
	}
	for _, name := range imagePrograms {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.addProgram("/bin/"+name, path); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.addProgram("/bin/cachex-test", "/proc/self/exe"); err != nil {
		t.Fatal(err)
	}
	for _, name := range ownPrograms {
		r["/bin/"+name] = []byte("-> cachex-test")
	}
	return r
}

// use gives a script the engine.
func (e *engine) use(env *testscript.Env) {
	for _, kv := range e.env {
		name, value, _ := strings.Cut(kv, "=")
		env.Setenv(name, value)
	}
}

// left lists what a run of cachex has left of its own in the directory for
// temporary files.
func left(tmp string) ([]fs.DirEntry, error) {
	all, err := os.ReadDir(tmp)
	var found []fs.DirEntry
	for _, e := range all {
		if strings.HasPrefix(e.Name(), "cachex-podman-") {
			found = append(found, e)
		}
	}
	return found, err
}
