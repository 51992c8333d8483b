package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// system is a root directory with what postinst and prerm look at.
type system struct {
	t                           *testing.T
	root, profile, ours, loaded string
}

// newSystem has AppArmor with a parser that takes profiles or not, and a kernel
// that restricts user namespaces or not.
func newSystem(t *testing.T, parses, restricts bool) *system {
	root := t.TempDir()
	s := &system{t, root, root + "/etc/apparmor.d/cachex", root + "/usr/share/cachex/apparmor/cachex", root + "/loaded"}
	s.write("/usr/share/cachex/apparmor/cachex", "profile cachex\n")
	if err := os.MkdirAll(root+"/etc/apparmor.d", 0o755); err != nil {
		t.Fatal(err)
	}
	refuses := ""
	if !parses {
		refuses = "echo 'AppArmor parser error' >&2; exit 1\n"
	}
	s.write("/bin/apparmor_parser", "#!/bin/sh\n"+refuses+`
case "$1" in
--skip-kernel-load) ;;
--replace) echo 'cachex (unconfined)' >`+s.loaded+` ;;
--remove) [ -e "$2" ] && rm `+s.loaded+` ;;
*) exit 2 ;;
esac
`)
	if restricts {
		s.write("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
	}
	return s
}

func (s *system) write(path, body string) {
	s.t.Helper()
	path = s.root + path
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a script of the package with the system's root in all of its paths.
func (s *system) run(script string, args ...string) {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, "cmd/cachex/package", script))
	if err != nil {
		s.t.Fatal(err)
	}
	text := string(b)
	for _, path := range []string{"/etc/apparmor.d", "/usr/share/cachex", "/proc/sys", "/sys/kernel"} {
		text = strings.ReplaceAll(text, " "+path, " "+s.root+path)
		text = strings.ReplaceAll(text, "="+path, "="+s.root+path)
	}
	text = strings.ReplaceAll(text, s.root+"/sys/kernel/security/apparmor/profiles", s.loaded)
	cmd := exec.Command("sh", append([]string{"-c", text, script}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+s.root+"/bin:"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		s.t.Errorf("%s %v: %v\n%s", script, args, err, out)
	}
}

// holds checks whether the profile is in place and in the kernel.
func (s *system) holds(when, wantLink string, wantLoaded bool) {
	s.t.Helper()
	link, _ := os.Readlink(s.profile)
	_, err := os.Stat(s.loaded)
	if link != wantLink || (err == nil) != wantLoaded {
		s.t.Errorf("%s: the link is %q and loaded is %v; want %q and %v", when, link, err == nil, wantLink, wantLoaded)
	}
}

func TestProfileIsPutInPlace(t *testing.T) {
	for _, c := range []struct {
		name               string
		parses, restricts  bool
		placed, isInKernel bool
	}{
		{"Ubuntu's restriction", true, true, true, true},
		{"no restriction", true, false, true, false},
		{"an old parser", false, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSystem(t, c.parses, c.restricts)
			link := ""
			if c.placed {
				link = s.ours
			}
			s.run("postinst", "configure", "")
			s.holds("installed", link, c.isInKernel)
			s.run("prerm", "upgrade", "2")
			s.run("postinst", "configure", "1")
			s.holds("upgraded", link, c.isInKernel)
			s.run("prerm", "remove")
			s.holds("removed", "", false)
		})
	}
}

// A parser that learns the rule brings the profile.
func TestProfileAfterAnUpgradeOfAppArmor(t *testing.T) {
	s := newSystem(t, false, false)
	s.run("postinst", "configure", "")
	s.holds("old", "", false)
	newer := newSystem(t, true, true)
	newer.run("postinst", "triggered", "/etc/apparmor.d/abi/4.0")
	newer.holds("new", newer.ours, true)
}

func TestProfileOfAnAdministratorStays(t *testing.T) {
	s := newSystem(t, true, true)
	s.write("/etc/apparmor.d/cachex", "profile cachex # mine\n")
	s.run("postinst", "configure", "")
	s.run("prerm", "remove")
	if b, err := os.ReadFile(s.profile); err != nil || string(b) != "profile cachex # mine\n" {
		t.Errorf("%q, %v", b, err)
	}
}

// A system without AppArmor at all, as most are.
func TestNoAppArmor(t *testing.T) {
	s := newSystem(t, true, false)
	if err := os.Remove(s.root + "/etc/apparmor.d"); err != nil {
		t.Fatal(err)
	}
	s.run("postinst", "configure", "")
	s.run("prerm", "remove")
	s.holds("removed", "", false)
}

// The parser that is here takes the profile, less the rule when it is too old to
// know it.
func TestProfileParses(t *testing.T) {
	need(t, "apparmor_parser")
	b, err := os.ReadFile(filepath.Join(repository, "cmd/cachex/apparmor/cachex"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, line := range []string{"abi <abi/4.0>,\n", "  userns,\n"} {
		if strings.Count(text, line) != 1 {
			t.Fatalf("the profile lacks %q", line)
		}
		if _, err := os.Stat("/etc/apparmor.d/abi/4.0"); err != nil {
			text = strings.ReplaceAll(text, line, "")
		}
	}
	cmd := exec.Command("apparmor_parser", "--skip-kernel-load", "--skip-cache", "--names")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.Output(); err != nil || string(out) != "cachex\n" {
		t.Errorf("%q, %v", out, err)
	}
}
