// Package packages tests what people install: the packages and archives that
// .goreleaser.yaml makes of the last commit, action.yml and the README's snippets.
//
//	go test ./testdata/packages [-args -install]
//
// goreleaser and cyclonedx-gomod are those of PATH; .ci/run pins them. With
// -install the Debian package is installed on this very system, as root, and
// taken off again. CACHEX_DIST is a dist/ of goreleaser's to test, in place of a
// new one, without the comparison of two.
package packages

import (
	"bufio"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var install = flag.Bool("install", false, "install the Debian package on this system, as root")

const repository = "../.."

// dist is the directory of a release, made once. The first caller waits for it.
var dist = releaseOnce()

// releaseOnce keeps the first release for all tests.
func releaseOnce() func(t *testing.T) string {
	var dir string
	tried := false
	return func(t *testing.T) string {
		t.Helper()
		if tried && dir == "" {
			t.Fatal("there is no release: see the first test that made one")
		}
		if given := os.Getenv("CACHEX_DIST"); given != "" {
			return given
		}
		if dir == "" {
			need(t, "git", "goreleaser", "cyclonedx-gomod")
			tried = true
			dir = release(t, filepath.Join(base, "one"))
		}
		return dir
	}
}

// base has the releases of this test.
var base string

func TestMain(m *testing.M) {
	flag.Parse()
	status := 1
	func() {
		var err error
		if base, err = os.MkdirTemp("", "cachex-packages-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		defer os.RemoveAll(base)
		if err := os.Chmod(base, 0o755); err != nil { // an ordinary user installs from here
			fmt.Fprintln(os.Stderr, err)
			return
		}
		status = m.Run()
	}()
	os.Exit(status)
}

// release makes a snapshot of the last commit in a new clone.
func release(t *testing.T, clone string) string {
	t.Helper()
	need(t, "git", "goreleaser", "cyclonedx-gomod")
	command(t, repository, "git", "clone", "-q", ".", clone)
	command(t, clone, "goreleaser", "release", "--snapshot", "--clean")
	return filepath.Join(clone, "dist")
}

// need skips a test that can't do without these programs.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("no %s here", p)
		}
	}
}

// command runs a program in a directory and gives its standard output.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// one is the only file of dist whose name has this end.
func one(t *testing.T, end string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dist(t), "cachex_*_"+end))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d files *_%s: %v", len(found), end, err)
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// checksums reads checksums.txt and holds each file against it.
func checksums(t *testing.T, dir string) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sums := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		sum, name, ok := strings.Cut(s.Text(), "  ")
		if !ok {
			t.Fatalf("line %q", s.Text())
		}
		sums[name] = sum
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if h := sha256.Sum256(b); hex.EncodeToString(h[:]) != sum {
			t.Errorf("%s has another checksum", name)
		}
	}
	return sums
}

func TestRelease(t *testing.T) {
	sums := checksums(t, dist(t))
	for _, system := range []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64", "windows_arm64"} {
		kinds := []string{"tar.gz", "cdx.json"}
		if strings.HasPrefix(system, "windows") {
			kinds[0] = "zip"
		}
		if strings.HasPrefix(system, "linux") {
			kinds = append(kinds, "deb", "rpm", "apk")
		}
		for _, kind := range kinds {
			name := filepath.Base(one(t, system+"."+kind))
			if sums[name] == "" {
				t.Errorf("%s is not in checksums.txt", name)
			}
			delete(sums, name)
		}
	}
	if len(sums) > 0 {
		t.Errorf("also released: %v", sums)
	}
}

// Two releases of one commit, made in different directories, are the same bytes.
// They share Go's build cache: what a build would take from its surroundings is
// part of that cache's keys.
func TestReproducible(t *testing.T) {
	if os.Getenv("CACHEX_DIST") != "" {
		t.Skip("CACHEX_DIST is only one release")
	}
	first := checksums(t, dist(t))
	second := checksums(t, release(t, filepath.Join(base, "another directory")))
	if len(first) != len(second) {
		t.Errorf("%d and %d files", len(first), len(second))
	}
	for name, sum := range first {
		if second[name] != sum {
			t.Errorf("%s differs", name)
		}
	}
}

// binaries are the linked programs, by system, as in "linux_amd64".
func binaries(t *testing.T) map[string]string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dist(t), "cachex_*_*", "cachex*"))
	if err != nil || len(found) != 6 {
		t.Fatalf("%d binaries: %v", len(found), err)
	}
	all := map[string]string{}
	for _, path := range found {
		words := strings.Split(filepath.Base(filepath.Dir(path)), "_")
		all[words[1]+"_"+words[2]] = path
	}
	return all
}

func TestBinaries(t *testing.T) {
	for system, path := range binaries(t) {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if settings["-trimpath"] != "true" || settings["CGO_ENABLED"] != "0" || settings["vcs.modified"] != "false" || len(settings["vcs.revision"]) != 40 {
			t.Errorf("%s was built with %v", system, settings)
		}
		if b, err := os.ReadFile(path); err != nil || strings.Contains(string(b), base) {
			t.Errorf("%s has the directory of its build in it, or %v", system, err)
		}
		if !strings.HasPrefix(system, "linux") {
			continue
		}
		program, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range program.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s is not static", system)
			}
		}
		program.Close()
	}
	path := binaries(t)[runtime.GOOS+"_"+runtime.GOARCH]
	if path == "" {
		t.Skip("no binary for this system")
	}
	name := filepath.Base(one(t, "linux_amd64.deb"))
	want := "cachex v" + strings.Split(name, "_")[1] + " go"
	if got := command(t, ".", path, "version"); !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %s…", got, want)
	}
}

// The SBOM of each binary names all that its build information does.
func TestSBOM(t *testing.T) {
	for system, path := range binaries(t) {
		b, err := os.ReadFile(one(t, system+".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		var bom struct {
			BOMFormat string
			Metadata  struct {
				Component struct{ Name, Version string }
			}
			Components []struct{ Name, Version string }
		}
		if err := json.Unmarshal(b, &bom); err != nil {
			t.Fatal(err)
		}
		if bom.BOMFormat != "CycloneDX" || bom.Metadata.Component.Name != "cachex" {
			t.Errorf("%s: %s of %+v", system, bom.BOMFormat, bom.Metadata.Component)
		}
		named := map[string]bool{}
		for _, c := range bom.Components {
			named[c.Name+" "+c.Version] = true
		}
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(info.Deps) < 20 {
			t.Errorf("%s: %d modules", system, len(info.Deps))
		}
		for _, d := range info.Deps {
			if !named[d.Path+" "+d.Version] {
				t.Errorf("the SBOM of %s lacks %s %s", system, d.Path, d.Version)
			}
		}
	}
}
