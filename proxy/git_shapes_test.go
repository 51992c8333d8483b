package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGitSubmodules clones one repository with a submodule that has another,
// named by relative and by absolute URLs.
func TestGitSubmodules(t *testing.T) {
	l := newGitLab(t, nil)
	for name, sub := range map[string]string{"inner.git": "", "middle.git": "../inner.git", "outer.git": gitURL + "middle.git"} {
		l.repository(name)
		if sub == "" {
			continue
		}
		modules := filepath.Join(t.TempDir(), "modules")
		if err := os.WriteFile(modules, []byte("[submodule \"sub\"]\n\tpath = sub\n\turl = "+sub+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		l.commitTree(name, "main", "modules", "100644", l.at(name, "hash-object", "-w", modules), ".gitmodules")
	}
	// The commit of a submodule that a repository names: inner first.
	l.commitTree("middle.git", "main", "sub", "160000", l.at("inner.git", "rev-parse", "main~1"), "sub")
	l.commitTree("outer.git", "main", "sub", "160000", l.at("middle.git", "rev-parse", "main"), "sub")

	l.git("clone", "-q", "--recurse-submodules", gitURL+"outer.git", "cold")
	l.restart(nil, rigOptions{})
	l.git("clone", "-q", "--recurse-submodules", gitURL+"outer.git", "warm")
	l.offline()
	for i, args := range [][]string{{}, {"--depth", "1", "--shallow-submodules"}, {"-c", "protocol.version=0"}} {
		name := fmt.Sprint("offline", i)
		l.git(append(append([]string{"clone", "-q", "--recurse-submodules"}, args...), gitURL+"outer.git", name)...)
		if got, want := l.git("-C", name+"/sub/sub", "rev-parse", "HEAD"), l.at("inner.git", "rev-parse", "main~1"); got != want {
			t.Errorf("%s: the inner submodule is at %s, want %s", name, got, want)
		}
	}
	l.onlyOutcomes(Hit)
}

// TestGitPartialClone fetches blobs when they are needed.
func TestGitPartialClone(t *testing.T) {
	l := newGitLab(t, nil)
	l.repository("r.git")
	l.git("clone", "-q", "--filter=blob:none", gitURL+"r.git", "cold")
	l.git("-C", "cold", "checkout", "-q", "other")
	l.restart(nil, rigOptions{})
	l.git("clone", "-q", "--filter=blob:none", gitURL+"r.git", "warm")
	l.offline()
	l.git("clone", "-q", "--filter=blob:none", "--no-checkout", gitURL+"r.git", "offline")
	for _, file := range []string{"main:file5", "main:file1", "other:file7"} { // one by one, as nobody did before
		if got := l.git("-C", "offline", "cat-file", "-p", "origin/"+file); !strings.HasPrefix(got, file[len(file)-1:]+"\n") {
			t.Errorf("%s is %.10q", file, got)
		}
	}
	l.git("-C", "offline", "checkout", "-q", "other")
	l.git("clone", "-q", gitURL+"r.git", "whole") // all of it was needed at one time or another
	l.sameAs("whole", "HEAD", "r.git", "main")
	l.onlyOutcomes(Hit)
}

// TestGitRedirect: what moved is found where it is, offline too.
func TestGitRedirect(t *testing.T) {
	moved := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if rest, ok := strings.CutPrefix(r.URL.Path, "/old/"); ok {
				http.Redirect(w, r, "/"+rest+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	l := newGitLab(t, moved)
	l.repository("r.git")
	l.git("clone", "-q", gitURL+"old/r.git", "cold")
	l.restart(moved, rigOptions{})
	l.git("clone", "-q", gitURL+"old/r.git", "warm")
	l.offline()
	l.git("clone", "-q", gitURL+"old/r.git", "same")
	l.git("clone", "-q", "-b", "other", gitURL+"old/r.git", "other")
	l.git("clone", "-q", "--depth", "1", gitURL+"r.git", "direct")
	l.sameAs("other", "HEAD", "r.git", "other")
	l.onlyOutcomes(Hit)
}

// TestGitDumb: a server that knows nothing of git is a tree of files.
func TestGitDumb(t *testing.T) {
	var files http.Handler
	dumb := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { files.ServeHTTP(w, r) })
	}
	l := newGitLab(t, dumb)
	files = http.FileServer(http.Dir(l.root))
	l.repository("r.git")
	l.at("r.git", "repack", "-adq")
	l.commit("r.git", "main", "loose")
	l.at("r.git", "update-server-info")
	l.git("clone", "-q", gitURL+"r.git", "cold")
	l.offline()
	l.git("clone", "-q", gitURL+"r.git", "offline")
	l.sameAs("offline", "HEAD", "r.git", "main")
	if _, err := os.Stat(filepath.Join(l.dir, mirrorDir)); err == nil {
		t.Error("files were taken for git's protocol")
	}
}

// TestGitManyRefs asks for so many objects that git sends the question in
// chunks, after a probe.
func TestGitManyRefs(t *testing.T) {
	l := newGitLab(t, nil)
	l.at("", "init", "-q", "--bare", "-b", "b0", "r.git")
	var in bytes.Buffer
	const refs = 3000
	for i := range refs {
		fmt.Fprintf(&in, "commit refs/heads/b%d\ncommitter a <a@git.example> 1700000000 +0000\ndata 2\n%02d\n", i, i%100)
		fmt.Fprintf(&in, "M 100644 inline f\ndata 5\n%05d\n", i)
	}
	cmd := exec.Command("git", "fast-import", "--quiet")
	cmd.Dir, cmd.Stdin, cmd.Env = filepath.Join(l.root, "r.git"), &in, cleanGit(l.root)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for version, name := range map[string]string{"2": "two", "0": "zero"} {
		l.git("-c", "protocol.version="+version, "-c", "http.postBuffer=65536", "clone", "-q", "--bare", gitURL+"r.git", name)
	}
	l.offline()
	for version, name := range map[string]string{"2": "two-again", "0": "zero-again"} {
		l.git("-c", "protocol.version="+version, "-c", "http.postBuffer=65536", "clone", "-q", "--bare", gitURL+"r.git", name)
		l.git("-c", "protocol.version="+version, "clone", "-q", "--bare", gitURL+"r.git", name+"-compressed")
		if got := l.git("-C", name, "for-each-ref", "--format=x"); strings.Count(got, "x") != refs {
			t.Errorf("%d refs", strings.Count(got, "x"))
		}
	}
	if said := l.account(); strings.Contains(said, string(Refused)) {
		t.Error(said)
	}
}

// TestGitWantRef: a server that resolves refs itself answers the same question
// otherwise tomorrow.
func TestGitWantRef(t *testing.T) {
	l := newGitLab(t, nil)
	l.repository("r.git")
	l.at("r.git", "config", "uploadpack.allowRefInWant", "true")
	l.git("clone", "-q", gitURL+"r.git", "cold")
	l.restart(nil, rigOptions{})
	l.commit("r.git", "main", "8")
	l.git("clone", "-q", gitURL+"r.git", "warm")
	l.sameAs("warm", "HEAD", "r.git", "main")
	l.offline()
	l.git("clone", "-q", gitURL+"r.git", "offline")
	l.sameAs("offline", "HEAD", "r.git", "main")
	l.git("clone", "-q", "-b", "other", "--single-branch", gitURL+"r.git", "other")
	l.sameAs("other", "HEAD", "r.git", "other")
	l.onlyOutcomes(Hit)
}

// TestGitPlainHTTP: what came without TLS answers no https request.
func TestGitPlainHTTP(t *testing.T) {
	l := newGitLab(t, nil)
	l.repository("r.git")
	clone := func(scheme, name string, args ...string) error {
		l.env = []string{"http_proxy=" + l.proxied}
		_, err := l.try(append(append([]string{"clone", "-q"}, args...), scheme+"://git.example/r.git", name)...)
		return err
	}
	if err := clone("http", "cold"); err != nil {
		t.Fatal(err)
	}
	l.offline()
	if err := clone("http", "other", "-b", "other"); err != nil {
		t.Errorf("over http: %v", err)
	}
	if err := clone("https", "secure"); err == nil {
		t.Error("https was answered with what came over http")
	}
}
