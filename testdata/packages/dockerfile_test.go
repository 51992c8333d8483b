package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// dockerSeccomp refuses what Docker's default profile refuses a container
// without CAP_SYS_ADMIN: new namespaces (by clone3 with ENOSYS, as its flags are
// not seen) and mounts. A bit of clone's flags for each kind of namespace.
const dockerSeccomp = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
{"names": ["unshare", "setns", "mount", "umount2", "move_mount", "fsopen", "fsmount", "open_tree", "pivot_root"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
{"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [{"index": 0, "value": 268435456, "valueTwo": 268435456, "op": "SCMP_CMP_MASKED_EQ"}]},
{"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [{"index": 0, "value": 1073741824, "valueTwo": 1073741824, "op": "SCMP_CMP_MASKED_EQ"}]},
{"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [{"index": 0, "value": 131072, "valueTwo": 131072, "op": "SCMP_CMP_MASKED_EQ"}]}
]}`

// podman builds images with a storage of the test's own.
type podman struct {
	t   *testing.T
	dir string
}

func newPodman(t *testing.T) *podman {
	if os.Getuid() != 0 {
		t.Skip("podman has a set-up of its own for each ordinary user")
	}
	need(t, "podman", "runc", "busybox", "tar")
	p := &podman{t, t.TempDir()}
	for name, text := range map[string]string{
		// crun and cgroups want a system that is not itself in a container.
		"containers.conf": "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n[engine]\ncgroup_manager = \"cgroupfs\"\nruntime = \"runc\"\n",
		"storage.conf":    "[storage]\ndriver = \"vfs\"\ngraphroot = \"" + p.dir + "/graph\"\nrunroot = \"" + p.dir + "/run\"\n",
		"seccomp.json":    dockerSeccomp,
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { p.run("", "rmi", "--all", "--force") })
	return p
}

// run runs podman with the host's proxy, which builds get as well.
func (p *podman) run(proxy string, args ...string) (string, error) {
	cmd := exec.Command("podman", args...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+p.dir+"/containers.conf", "CONTAINERS_STORAGE_CONF="+p.dir+"/storage.conf",
		"TMPDIR="+p.dir, "http_proxy="+proxy, "no_proxy=127.0.0.1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// base makes the image that the Dockerfile begins with, of busybox and an npm
// that downloads one file.
func (p *podman) base(names ...string) {
	p.t.Helper()
	root := filepath.Join(p.dir, "root")
	for _, d := range []string{"bin", "etc", "tmp", "usr/local/bin", "var/cache"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o777); err != nil {
			p.t.Fatal(err)
		}
	}
	command(p.t, ".", "sh", "-c", `cp "$(command -v busybox)" "$0/bin" && cd "$0/bin" && for a in sh tar gzip gunzip wget ls; do ln -s busybox $a; done`, root)
	npm := "#!/bin/sh\nexec wget -q -O /tmp/got http://registry.example/a-1.0.0.tgz\n"
	if err := os.WriteFile(root+"/usr/local/bin/npm", []byte(npm), 0o755); err != nil {
		p.t.Fatal(err)
	}
	command(p.t, ".", "tar", "-C", root, "-cf", p.dir+"/root.tar", ".")
	for _, name := range names {
		if out, err := p.run("", "import", "-q", p.dir+"/root.tar", name); err != nil {
			p.t.Fatalf("%v: %s", err, out)
		}
	}
}

// TestReadmeDockerfile builds the image twice, of which the second build has
// nothing of the first but the cache: by the rules of podman, which allow a
// sandbox, and by Docker's, which do not.
func TestReadmeDockerfile(t *testing.T) {
	text := snippet(t, "**A Dockerfile**", "dockerfile")
	r, server, asked := clients(t)
	p := newPodman(t)
	p.base("registry.example/debian:12", "registry.example/node:24")
	context := t.TempDir()
	// Its paths are the image's own: place would put the runner's there.
	r.dir = "/usr/local"
	// Each has a cache of its own: a mount's is by its target.
	for rules, target := range map[string]string{"podman": "/var/cache/podman", "docker": "/var/cache/docker"} {
		file := strings.ReplaceAll(r.place(text, server), "/var/cache/cachex", target)
		if err := os.WriteFile(filepath.Join(context, "Dockerfile"), []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
		args := []string{"build", "--pull=never", "--no-cache", "--network=host", "-t", "built"}
		if rules == "docker" {
			args = append(args, "--security-opt", "seccomp="+p.dir+"/seccomp.json")
		}
		args = append(args, context)
		for _, want := range []int32{1, 0} {
			out, err := p.run(r.vars["http_proxy"], args...)
			if err != nil {
				t.Fatalf("%s: %v: %s", rules, err, out)
			}
			if n := asked(); n != want {
				t.Errorf("%s: the origin was asked %d times, not %d:\n%s", rules, n, want, out)
			}
			// As the README says.
			if alone := strings.Contains(out, "--sandbox=env"); alone != (rules == "docker") {
				t.Errorf("%s: the report says that there was no sandbox: %v\n%s", rules, alone, out)
			}
		}
		out, err := p.run("", "run", "--rm", "--network=none", "built", "ls", "-R", "/usr/local/bin", "/var/cache", "/tmp")
		if err != nil || strings.Contains(out, "cachex") || strings.Contains(out, "a-1.0.0") || !strings.Contains(out, "got") {
			t.Errorf("%s: in the image, %v:\n%s", rules, err, out)
		}
	}
}
