package packages

import (
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// user is the ordinary one whom the installed program has to serve as well.
const user = "cachex-ci"

// TestDebianPackage installs, upgrades, uses and removes the package on this
// system, by apt.
func TestDebianPackage(t *testing.T) {
	if !*install {
		t.Skip("it changes this system; -args -install allows it")
	}
	if os.Getuid() != 0 {
		t.Fatal("-install is for root")
	}
	need(t, "apt-get", "dpkg-deb", "curl", "man", "setpriv")
	if _, err := os.Stat("/usr/bin/cachex"); err == nil {
		t.Fatal("cachex is installed already")
	}
	if err := exec.Command("id", user).Run(); err != nil {
		command(t, ".", "useradd", "--create-home", user)
		t.Cleanup(func() { exec.Command("userdel", "--remove", user).Run() })
	}
	command(t, ".", "dpkg", "--configure", "--pending") // or our installation would do it, for others
	before := systemFiles(t)
	old := olderPackage(t)
	t.Cleanup(func() { exec.Command("apt-get", "purge", "-qqy", "cachex").Run() })

	apt(t, "install", old)
	if got := command(t, ".", "cachex"); got != "older\n" {
		t.Fatalf("the older package's program says %q", got)
	}
	apt(t, "install", one(t, "linux_"+runtime.GOARCH+".deb"))
	if out := command(t, ".", "dpkg", "--verify", "cachex"); out != "" {
		t.Errorf("files are not the package's: %s", out)
	}
	if _, err := os.Stat("/usr/share/doc/cachex/older"); err == nil {
		t.Error("a file of the older package is left")
	}
	t.Run("program", testProgram)
	t.Run("manual", testManual)
	t.Run("completion", testCompletion)
	t.Run("profile", testProfile)

	apt(t, "remove", "cachex")
	sameFiles(t, "remove", before, systemFiles(t))
	apt(t, "install", one(t, "linux_"+runtime.GOARCH+".deb"))
	apt(t, "purge", "cachex")
	sameFiles(t, "purge", before, systemFiles(t))
	if err := exec.Command("dpkg", "--status", "cachex").Run(); err == nil {
		t.Error("dpkg still has a status of cachex")
	}
}

func apt(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("apt-get", append([]string{"-qqy", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("apt-get %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// olderPackage is the package of a version before this one, with other files.
func olderPackage(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(base, "older")
	command(t, ".", "dpkg-deb", "--raw-extract", one(t, "linux_"+runtime.GOARCH+".deb"), dir)
	for path, edit := range map[string]func(string) string{
		"DEBIAN/control": func(s string) string {
			i := strings.Index(s, "\nVersion: ")
			return s[:i] + "\nVersion: 0.0.0~older" + s[i+1+strings.Index(s[i+1:], "\n"):]
		},
		"DEBIAN/md5sums":             func(string) string { return "" },
		"usr/bin/cachex":             func(string) string { return "#!/bin/sh\necho older\n" },
		"usr/share/doc/cachex/older": func(string) string { return "older\n" },
	} {
		b, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil && !strings.HasSuffix(path, "/older") {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(edit(string(b))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command(t, ".", "dpkg-deb", "--root-owner-group", "--build", dir, dir+".deb")
	return dir + ".deb"
}

// systemFiles are the files and folders where packages put theirs, less what
// package managers keep of their own work, and less /usr/local, which is nobody's
// but the administrator's.
func systemFiles(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, root := range []string{"/etc", "/usr", "/var", "/opt", "/lib"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // gone while it was looked at
			}
			switch path {
			case "/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log", "/var/tmp", "/usr/local":
				return fs.SkipDir
			}
			found = append(found, path)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// What dpkg would take for an installed package's.
	lists, err := filepath.Glob("/var/lib/dpkg/info/cachex*")
	if err != nil {
		t.Fatal(err)
	}
	return append(found, lists...)
}

func sameFiles(t *testing.T, when string, before, after []string) {
	t.Helper()
	had := map[string]bool{}
	for _, path := range before {
		had[path] = true
	}
	for _, path := range after {
		if !had[path] {
			t.Errorf("after %s: %s is left", when, path)
		}
		delete(had, path)
	}
	for path := range had {
		if strings.HasPrefix(path, "/var/") {
			continue // the state of programs changes by itself
		}
		t.Errorf("after %s: %s is gone", when, path)
	}
}

// testProgram runs the installed program as root and as an ordinary user, with
// and without a network.
func testProgram(t *testing.T) {
	if got := command(t, ".", "cachex", "version"); !strings.HasPrefix(got, "cachex v") {
		t.Errorf("version: %q", got)
	}
	origin, requests := startOrigin(t)
	for _, who := range []string{"root", user} {
		cache := filepath.Join(t.TempDir(), "cache")
		if err := os.Chmod(filepath.Dir(cache), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(filepath.Dir(cache)), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, offline := range []string{"--offline=false", "--offline"} {
			args := []string{"--reuid", who, "--regid", who, "--init-groups", "--", "cachex", "run", "--cache", cache, offline, "--",
				"curl", "-fsS", "http://registry.example/a-1.0.0.tgz"}
			cmd := exec.Command("setpriv", args...)
			cmd.Dir = "/"
			cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent", "http_proxy=" + origin}
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || string(out) != "the bytes of a-1.0.0.tgz" {
				t.Errorf("%s %s: %q, %v\n%s", who, offline, out, err, stderr.String())
			}
		}
		if n := requests.Swap(0); n != 1 {
			t.Errorf("%s: the origin was asked %d times", who, n)
		}
		if b, err := os.ReadFile(filepath.Join(cache, "registry.example/a-1.0.0.tgz")); err != nil || len(b) == 0 {
			t.Errorf("%s: not kept: %v", who, err)
		}
	}
}

// startOrigin is every server, as the host's proxy, with its address and the
// count of requests. What it is asked for is "the bytes of NAME".
func startOrigin(t *testing.T) (string, *atomic.Int32) {
	t.Helper()
	var requests atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		fmt.Fprintf(w, "the bytes of %s", filepath.Base(r.URL.Path))
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, &requests
}

func testManual(t *testing.T) {
	for _, page := range [][]string{{"cachex"}, {"cachex-run"}, {"cachex-ca-install"}, {"7", "cachex-ci"}} {
		out := command(t, ".", "man", append([]string{"--pager=cat"}, page...)...)
		if name := page[len(page)-1]; !strings.Contains(out, "NAME\n       "+name+" - ") || !strings.Contains(out, "\nSEE ALSO\n") {
			t.Errorf("man %v:\n%s", page, out)
		}
	}
}

func testCompletion(t *testing.T) {
	need(t, "bash")
	const loader = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(loader); err != nil {
		t.Skip("no bash-completion here")
	}
	script := `. ` + loader + `
_completion_loader cachex
[ $? = 124 ] || exit 1
COMP_WORDS=(cachex ru) COMP_CWORD=1 COMP_LINE='cachex ru' COMP_POINT=9 COMP_TYPE=9
f=$(complete -p cachex | sed 's/.*-F \([^ ]*\).*/\1/')
compopt() { :; }
$f cachex ru cachex
printf '%s\n' "${COMPREPLY[@]}"
`
	if out := command(t, ".", "bash", "--norc", "-c", script); strings.TrimSpace(out) != "run" {
		t.Errorf("bash completes ru as %q", out)
	}
	for shell, file := range map[string]string{"zsh": "/usr/share/zsh/vendor-completions/_cachex", "fish": "/usr/share/fish/vendor_completions.d/cachex.fish"} {
		if _, err := exec.LookPath(shell); err == nil {
			command(t, ".", shell, "-n", file)
		}
	}
}

// testProfile: it is in place where AppArmor's parser takes it, and only there.
func testProfile(t *testing.T) {
	const ours = "/usr/share/cachex/apparmor/cachex"
	if _, err := os.Stat(ours); err != nil {
		t.Fatal(err)
	}
	link, _ := os.Readlink("/etc/apparmor.d/cachex")
	takes := exec.Command("apparmor_parser", "--skip-kernel-load", "--skip-cache", ours).Run() == nil
	if takes != (link == ours) {
		t.Errorf("the parser takes it: %v; /etc/apparmor.d/cachex leads to %q", takes, link)
	}
	// Whatever is below /etc/apparmor.d, the service that loads it can.
	if _, err := exec.LookPath("apparmor_parser"); err == nil {
		names := command(t, ".", "apparmor_parser", "--skip-kernel-load", "--skip-cache", "--names", "/etc/apparmor.d")
		if slices.Contains(strings.Split(names, "\n"), "cachex") != takes {
			t.Errorf("profiles: %s", names)
		}
	}
}
