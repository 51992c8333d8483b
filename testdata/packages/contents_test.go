package packages

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// entry is a file of a package. Its path begins with a slash.
type entry struct {
	path, owner string
	mode        fs.FileMode
	body        []byte
}

// contents are the files of a package; folders are held to be 0755 and root's.
func contents(t *testing.T, path string) map[string]entry {
	t.Helper()
	var archive io.Reader
	switch {
	case strings.HasSuffix(path, ".deb"):
		need(t, "dpkg-deb")
		archive = strings.NewReader(command(t, ".", "dpkg-deb", "--fsys-tarfile", path))
	case strings.HasSuffix(path, ".rpm"):
		// An rpm has names of owners without numbers. bsdtar makes numbers of
		// them, rpm itself says the names.
		need(t, "bsdtar", "rpm")
		checkOwners(t, command(t, ".", "rpm", "-qp", "--nosignature", "--qf", "[%{FILENAMES} %{FILEUSERNAME}:%{FILEGROUPNAME}\n]", path))
		archive = strings.NewReader(command(t, ".", "bsdtar", "-cf", "-", "--format", "ustar", "@"+path))
	case strings.HasSuffix(path, ".zip"):
		return zipContents(t, path)
	default: // a tar.gz, and an apk is two, one after the other
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if archive, err = gzip.NewReader(bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]entry{}
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(h.Name, "."), "/")
		if strings.HasPrefix(name, "/PKGINFO") || strings.HasPrefix(name, "/.PKGINFO") {
			continue // what apk calls control
		}
		owner := h.Uname + ":" + h.Gname
		if owner == ":" && h.Uid == 0 && h.Gid == 0 {
			owner = "root:root"
		}
		if h.Typeflag == tar.TypeDir {
			if h.Mode != 0o755 || owner != "root:root" {
				t.Errorf("%s: %s has mode %o and is %s's", path, name, h.Mode, owner)
			}
			continue
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || found[name].path != "" {
			t.Errorf("%s: %s is of type %c, or twice", path, name, h.Typeflag)
		}
		found[name] = entry{name, owner, h.FileInfo().Mode(), body}
	}
	return found
}

func checkOwners(t *testing.T, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		if !strings.HasSuffix(line, " root:root\n") {
			t.Errorf("owner: %s", line)
		}
	}
}

func zipContents(t *testing.T, path string) map[string]entry {
	t.Helper()
	r, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	found := map[string]entry{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		in.Close()
		found["/"+f.Name] = entry{"/" + f.Name, "root:root", f.Mode(), body}
	}
	return found
}

// wanted are the paths of a package, as patterns. Each is matched at least once,
// and each file matches one.
var (
	everywhere = []string{
		"/usr/bin/cachex",
		"/usr/share/bash-completion/completions/cachex",
		"/usr/share/fish/vendor_completions.d/cachex.fish",
		`/usr/share/man/man1/cachex\.1\.gz`,
		`/usr/share/man/man1/cachex-[a-z-]*\.1\.gz`,
		`/usr/share/man/man7/cachex-[a-z-]*\.7\.gz`,
		"/usr/share/cachex/apparmor/cachex",
		`/usr/share/doc/cachex/LICENSES\.gz`,
	}
	wanted = map[string][]string{
		"deb": slices.Concat(everywhere, []string{
			"/usr/share/zsh/vendor-completions/_cachex",
			"/usr/share/doc/cachex/copyright",
			`/usr/share/doc/cachex/changelog\.gz`,
			"/usr/share/lintian/overrides/cachex",
		}),
		"rpm": slices.Concat(everywhere, []string{"/usr/share/zsh/site-functions/_cachex", "/usr/share/licenses/cachex/LICENSE"}),
		"apk": slices.Concat(everywhere, []string{"/usr/share/zsh/site-functions/_cachex", "/usr/share/licenses/cachex/LICENSE"}),
		"tar.gz": {
			"/cachex", "/LICENSE", "/LICENSES", `/README\.md`, `/man/man1/cachex\.1`, `/man/man1/cachex-[a-z-]*\.1`,
			`/man/man7/cachex-[a-z-]*\.7`, "/completions/_cachex", `/completions/cachex\.(bash|fish|ps1)`,
		},
	}
)

func TestContents(t *testing.T) {
	windows := slices.Clone(wanted["tar.gz"])
	windows[0] = `/cachex\.exe`
	for end, patterns := range map[string][]string{
		"linux_amd64.deb": wanted["deb"], "linux_arm64.deb": wanted["deb"],
		"linux_amd64.rpm": wanted["rpm"], "linux_arm64.rpm": wanted["rpm"],
		"linux_amd64.apk": wanted["apk"], "linux_arm64.apk": wanted["apk"],
		"linux_amd64.tar.gz": wanted["tar.gz"], "linux_arm64.tar.gz": wanted["tar.gz"],
		"darwin_amd64.tar.gz": wanted["tar.gz"], "darwin_arm64.tar.gz": wanted["tar.gz"],
		"windows_amd64.zip": windows, "windows_arm64.zip": windows,
	} {
		t.Run(end, func(t *testing.T) {
			found := contents(t, one(t, end))
			matched := map[string]bool{}
			for name, e := range found {
				i := slices.IndexFunc(patterns, func(p string) bool { return regexp.MustCompile("^" + p + "$").MatchString(name) })
				if i < 0 {
					t.Errorf("%s is in it", name)
					continue
				}
				matched[patterns[i]] = true
				mode := fs.FileMode(0o644)
				if strings.HasSuffix(name, "/cachex") && len(e.body) > 1<<20 || strings.HasSuffix(name, ".exe") {
					mode = 0o755
				}
				if e.mode != mode || e.owner != "root:root" || len(e.body) == 0 {
					t.Errorf("%s has mode %v, not %v, is %s's and has %d bytes", name, e.mode, mode, e.owner, len(e.body))
				}
			}
			for _, p := range patterns {
				if !matched[p] {
					t.Errorf("no %s", p)
				}
			}
		})
	}
}

// A page for what is linked in, and the licence of every module of it.
func TestLicences(t *testing.T) {
	texts := string(contents(t, one(t, "linux_amd64.tar.gz"))["/LICENSES"].body)
	modules := strings.Count(texts, "\n==== ")
	if modules < 20 || len(texts) < modules*500 {
		t.Errorf("%d bytes of licences of %d modules", len(texts), modules)
	}
	for _, m := range []string{"==== Go\n", "==== github.com/spf13/cobra v", "==== golang.org/x/sys v"} {
		if !strings.Contains(texts, m) {
			t.Errorf("no licence of %s", m)
		}
	}
}

func TestScriptsOfPackages(t *testing.T) {
	need(t, "dpkg-deb", "rpm")
	got := command(t, ".", "dpkg-deb", "--ctrl-tarfile", one(t, "linux_amd64.deb"))
	var names []string
	for r := tar.NewReader(strings.NewReader(got)); ; {
		h, err := r.Next()
		if err != nil {
			break
		}
		if h.Typeflag == tar.TypeReg {
			names = append(names, fmt.Sprintf("%s %o", strings.TrimPrefix(h.Name, "./"), h.Mode))
		}
	}
	slices.Sort(names)
	if want := "control 644, md5sums 644, postinst 755, prerm 755, triggers 644"; strings.Join(names, ", ") != want {
		t.Errorf("%v, want %s", names, want)
	}
	if scripts := command(t, ".", "rpm", "-qp", "--nosignature", "--scripts", "--triggers", one(t, "linux_amd64.rpm")); scripts != "" {
		t.Errorf("the rpm has scripts: %s", scripts)
	}
	if _, err := exec.LookPath("lintian"); err != nil {
		t.Skip("no lintian here")
	}
	for _, arch := range []string{"amd64", "arm64"} {
		out, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", one(t, "linux_"+arch+".deb")).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("lintian of %s: %v\n%s", arch, err, out)
		}
	}
}
