package packages

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// step is the script of a step of action.yml.
func step(t *testing.T, id string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "    - id: "+id+"\n")
	if ok {
		text, _, _ = strings.Cut(text, "\n    - ")
		_, text, ok = strings.Cut(text, "      run: |\n")
	}
	if !ok {
		t.Fatalf("action.yml has no script %s", id)
	}
	return unindent(text)
}

// unindent takes the first line's indentation from each line.
func unindent(text string) string {
	margin := text[:len(text)-len(strings.TrimLeft(text, " "))]
	return strings.ReplaceAll("\n"+text, "\n"+margin, "\n")
}

// runner is a machine of a CI service: what its steps are told, and where they
// write.
type runner struct {
	t    *testing.T
	dir  string
	vars map[string]string
}

func newRunner(t *testing.T) *runner {
	need(t, "bash", "curl", "tar")
	dir := t.TempDir()
	for _, d := range []string{"home", "temp", "work", "bin"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &runner{t, dir, map[string]string{
		"HOME": dir + "/home", "PATH": dir + "/bin:" + os.Getenv("PATH"),
		"RUNNER_OS": "Linux", "RUNNER_ARCH": "X64", "RUNNER_TEMP": dir + "/temp",
		"GITHUB_WORKSPACE": dir + "/work", "GITHUB_JOB": "build", "GITHUB_RUN_ID": "17", "GITHUB_RUN_ATTEMPT": "2",
		"GITHUB_PATH": dir + "/path", "GITHUB_ENV": dir + "/env", "GITHUB_OUTPUT": dir + "/output",
	}}
}

// program puts a shell script where the runner finds it.
func (r *runner) program(name, body string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "bin", name), []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

// run runs a script as the service does, with more variables, and gives what it
// printed and whether it succeeded.
func (r *runner) run(script string, vars map[string]string) (string, bool) {
	r.t.Helper()
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir = r.vars["GITHUB_WORKSPACE"]
	for _, m := range []map[string]string{r.vars, vars} {
		for k, v := range m {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// wrote is what steps wrote into GITHUB_PATH, GITHUB_ENV or GITHUB_OUTPUT.
func (r *runner) wrote(name string) string {
	b, _ := os.ReadFile(r.vars[name]) // nothing when there is none
	return string(b)
}

// releases serves a release 1.2.3 whose program says what it is for, under /base
// and where a code host has the releases of OWNER/cachex. Every archive of
// linux_arm64 is damaged.
func releases(t *testing.T) string {
	t.Helper()
	files, sums := map[string][]byte{}, ""
	for _, system := range []string{"linux_amd64", "linux_arm64", "darwin_arm64", "windows_amd64"} {
		name, body := "cachex_1.2.3_"+system+".tar.gz", "#!/bin/sh\necho cachex v1.2.3 for "+system+"\n"
		var b bytes.Buffer
		if strings.HasPrefix(system, "windows") {
			name = strings.TrimSuffix(name, "tar.gz") + "zip"
			w := zip.NewWriter(&b)
			h := &zip.FileHeader{Name: "cachex"}
			h.SetMode(0o755)
			f, err := w.CreateHeader(h)
			if err != nil {
				t.Fatal(err)
			}
			f.Write([]byte(body))
			w.Close()
		} else {
			z := gzip.NewWriter(&b)
			w := tar.NewWriter(z)
			if err := w.WriteHeader(&tar.Header{Name: "cachex", Mode: 0o755, Size: int64(len(body))}); err != nil {
				t.Fatal(err)
			}
			w.Write([]byte(body))
			w.Close()
			z.Close()
		}
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256(b.Bytes()), name)
		files[name] = b.Bytes()
	}
	files["checksums.txt"] = []byte(sums)
	files["cachex_1.2.3_linux_arm64.tar.gz"] = append([]byte{}, files["cachex_1.2.3_linux_amd64.tar.gz"]...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dir, name := filepath.Split(r.URL.Path)
		body := files[name]
		if body == nil || dir != "/base/v1.2.3/" && dir != "/OWNER/cachex/releases/download/v1.2.3/" {
			http.NotFound(w, r)
			return
		}
		w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestActionInstalls(t *testing.T) {
	script, server := step(t, "install"), releases(t)
	for _, c := range []struct{ system, arch, version, want string }{
		{"Linux", "X64", "1.2.3", "linux_amd64"},
		{"Linux", "X64", "v1.2.3", "linux_amd64"},
		{"macOS", "ARM64", "v1.2.3", "darwin_arm64"},
		{"Windows", "X64", "1.2.3", "windows_amd64"},
	} {
		t.Run(c.want+" "+c.version, func(t *testing.T) {
			r := newRunner(t)
			r.vars["RUNNER_OS"], r.vars["RUNNER_ARCH"] = c.system, c.arch
			if c.system == "Windows" {
				need(t, "unzip")
				r.program("cygpath", `echo "$2"`)
			}
			out, ok := r.run(script, map[string]string{"RELEASE": c.version, "BASE_URL": server + "/base/"})
			dir := r.dir + "/temp/cachex-1.2.3"
			if !ok || out != "cachex v1.2.3 for "+c.want+"\n" || r.wrote("GITHUB_PATH") != dir+"\n" || r.wrote("GITHUB_OUTPUT") != "directory="+dir+"\n" {
				t.Errorf("%v: %s\npath: %s\noutput: %s", ok, out, r.wrote("GITHUB_PATH"), r.wrote("GITHUB_OUTPUT"))
			}
			if left, _ := filepath.Glob(dir + "/*"); len(left) != 1 {
				t.Errorf("in its directory: %v", left)
			}
		})
	}
	t.Run("from the action's repository", func(t *testing.T) {
		r := newRunner(t)
		out, ok := r.run(script, map[string]string{"RELEASE": "v1.2.3", "BASE_URL": "", "SERVER": server, "REPOSITORY": "OWNER/cachex"})
		if !ok || !strings.HasPrefix(out, "cachex v1.2.3 ") {
			t.Errorf("%v: %s", ok, out)
		}
	})
}

func TestActionInstallsNothingWrong(t *testing.T) {
	script, server := step(t, "install"), releases(t)
	for _, c := range []struct{ name, system, arch, version, base, want string }{
		{"another file", "Linux", "ARM64", "1.2.3", server + "/base", "cachex_1.2.3_linux_arm64.tar.gz is not what checksums.txt says"},
		{"not in checksums.txt", "macOS", "X64", "1.2.3", server + "/base", "no " + server + "/base/v1.2.3/cachex_1.2.3_darwin_amd64.tar.gz"},
		{"no such version", "Linux", "X64", "1.2.4", server + "/base", "no " + server + "/base/v1.2.4/checksums.txt"},
		{"a branch", "Linux", "X64", "main", server + "/base", `"main" is no release`},
		{"a path", "Linux", "X64", "1.2.3/../../x", server + "/base", `"1.2.3/../../x" is no release`},
		{"a command", "Linux", "X64", "1.2.3-$(touch x)", server + "/base", "is no release"},
		{"no version", "Linux", "X64", "", server + "/base", `"" is no release`},
		{"no place", "Linux", "X64", "1.2.3", "", "needs its input base-url"},
		{"another processor", "Linux", "ARM", "1.2.3", server + "/base", "no release for the processor ARM"},
		{"another system", "Plan9", "X64", "1.2.3", server + "/base", "no release for the system Plan9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRunner(t)
			r.vars["RUNNER_OS"], r.vars["RUNNER_ARCH"] = c.system, c.arch
			out, ok := r.run(script, map[string]string{"RELEASE": c.version, "BASE_URL": c.base, "SERVER": "", "REPOSITORY": ""})
			if ok || !strings.Contains(out, "::error title=cachex::") || !strings.Contains(out, c.want) {
				t.Errorf("%v: %s", ok, out)
			}
			if r.wrote("GITHUB_PATH") != "" {
				t.Error("it is on the path")
			}
		})
	}
}

// The sandbox is tried, and allowed in the way that leaves most as it is.
func TestActionAllowsTheSandbox(t *testing.T) {
	const works = "test -e $RUNNER_TEMP/works"
	for _, c := range []struct{ name, cachex, sudo, want string }{
		{"nothing to do", "true", "echo sudo: $* ; exit 1", "works as it is"},
		{"by a profile", works, `shift; test "$1" = apparmor_parser && cat >$RUNNER_TEMP/profile && touch $RUNNER_TEMP/works`, "with an AppArmor profile"},
		{"a profile that does not help", works, `shift; test "$1" = apparmor_parser || touch $RUNNER_TEMP/works`, "kernel.apparmor_restrict_unprivileged_userns=0"},
		{"no AppArmor", works, `shift; test "$1" = sysctl && touch $RUNNER_TEMP/works`, "kernel.apparmor_restrict_unprivileged_userns=0"},
		{"no sudo", works, "exit 1", "::warning title=cachex::This runner allows no sandbox"},
		{"sudo that does not help", works, "true", "::warning title=cachex::This runner allows no sandbox"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRunner(t)
			r.program("sudo", c.sudo+"\n")
			r.program("cachex", "[ \"$*\" = 'doctor --apparmor' ] && exec echo profile\n"+c.cachex+"\n")
			out, ok := r.run(step(t, "sandbox"), map[string]string{"DIRECTORY": r.dir + "/bin"})
			if !ok || !strings.Contains(out, c.want) || strings.Count(out, "\n") != 1 {
				t.Errorf("%v: %s, want %s", ok, out, c.want)
			}
			b, err := os.ReadFile(r.dir + "/temp/profile")
			if c.want == "with an AppArmor profile" && string(b) != "profile\n" {
				t.Errorf("the profile is %s, %v", b, err)
			}
		})
	}
}

func TestActionKeepsTheCache(t *testing.T) {
	for given, want := range map[string]string{"~/.cache/cachex": "home/.cache/cachex", "~": "home", "dir/of mine": "work/dir/of mine", "/": "/"} {
		t.Run(given, func(t *testing.T) {
			r := newRunner(t)
			if want != "/" {
				want = r.dir + "/" + want
			}
			out, ok := r.run(step(t, "cache"), map[string]string{"CACHE": given, "KEY": "k"})
			if !ok || out != "" || r.wrote("GITHUB_ENV") != "CACHEX_CACHE="+want+"\n" {
				t.Fatalf("%v: %s\n%s", ok, out, r.wrote("GITHUB_ENV"))
			}
			if info, err := os.Stat(want); err != nil || !info.IsDir() {
				t.Errorf("%v, %v", info, err)
			}
			output := map[string]string{}
			for line := range strings.Lines(r.wrote("GITHUB_OUTPUT")) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				output[name] = value
			}
			// The key is new each time; what is restored begins as it does.
			if output["directory"] != want || output["all"] != "cachex-Linux-k-" || output["job"] != "cachex-Linux-k-build-" ||
				!strings.HasPrefix(output["key"], "cachex-Linux-k-build-17-2-") || len(output) != 4 {
				t.Errorf("output %q", output)
			}
		})
	}
}
