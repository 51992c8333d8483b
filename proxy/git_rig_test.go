package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// gitURL is where the origin of a gitLab has its repositories.
const gitURL = "https://git.example/"

// gitLab is a rig with repositories behind git's own http-backend, and with
// git and git-lfs as its clients.
type gitLab struct {
	*rig
	t       *testing.T
	root    string // holds the origin's bare repositories
	proxied string // where clients find the proxy
	env     []string
	work    string // where clients work
}

// newGitLab begins with an empty cache. wrap may stand before the origin.
func newGitLab(t *testing.T, wrap func(http.Handler) http.Handler) *gitLab {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("this machine has no git; CI has")
	}
	l := &gitLab{t: t, root: t.TempDir(), work: t.TempDir()}
	l.start(wrap, rigOptions{})
	return l
}

func (l *gitLab) start(wrap func(http.Handler) http.Handler, o rigOptions) {
	l.t.Helper()
	var origin http.Handler = backend(l.t, l.root)
	if wrap != nil {
		origin = wrap(origin)
	}
	l.rig = newRig(l.t, origin, o)
	l.proxied = forward(l.t, l.rig)
}

// restart is a second run of cachex with the same directory.
func (l *gitLab) restart(wrap func(http.Handler) http.Handler, o rigOptions) {
	l.t.Helper()
	l.stop() // before its directory is used again: mirrors are filled then
	o.dir = l.dir
	l.start(wrap, o)
}

func (l *gitLab) offline() {
	l.t.Helper()
	l.restart(nil, rigOptions{offline: true})
}

// backend is git's own server. CGI wants to know the length of a body.
func backend(t *testing.T, root string) http.Handler {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	h := &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:    append(cleanGit(root), "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1"),
		Stderr: io.Discard,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
		}
		h.ServeHTTP(w, r)
	})
}

// forward gives clients that are other processes a way to the rig's proxy.
func forward(t *testing.T, r *rig) string {
	t.Helper()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				up, err := r.dial(context.Background(), "tcp", "proxy.example:3128")
				if err != nil {
					return
				}
				defer up.Close()
				var one sync.WaitGroup
				one.Go(func() { io.Copy(up, c); up.(*net.TCPConn).CloseWrite() })
				io.Copy(c, up)
				c.Close()
				one.Wait()
			})
		}
	})
	t.Cleanup(func() {
		in.Close()
		r.stop()
		all.Wait()
	})
	return "http://" + in.Addr().String()
}

func cleanGit(home string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@git.example", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@git.example",
		"GIT_TERMINAL_PROMPT=0", "GIT_SSL_NO_VERIFY=1",
	}
}

// try runs git as a client of the proxy.
func (l *gitLab) try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = l.work
	cmd.Env = append(append(cleanGit(l.work), "https_proxy="+l.proxied), l.env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (l *gitLab) git(args ...string) string {
	l.t.Helper()
	out, err := l.try(args...)
	if err != nil {
		l.t.Fatalf("git %s: %v\n%s\n%s", strings.Join(args, " "), err, out, l.account())
	}
	return out
}

// refused runs git and expects that the proxy refuses something.
func (l *gitLab) refused(args ...string) {
	l.t.Helper()
	l.account()
	out, err := l.try(args...)
	said := l.account()
	for range 1000 { // a record may come after the client has ended
		if strings.Contains(said, "refused") {
			break
		}
		time.Sleep(time.Millisecond)
		said += l.account()
	}
	if err == nil || !strings.Contains(said, "refused") {
		l.t.Errorf("git %s was not refused: %v\n%s\n%s", strings.Join(args, " "), err, out, said)
	}
}

// account tells of all requests since the last time, and forgets them.
func (l *gitLab) account() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, x := range l.seen {
		b.WriteString(x.Method + " " + x.URL + " " + string(x.Outcome) + ": " + x.Reason + "\n")
	}
	l.seen = nil
	return b.String()
}

// onlyOutcomes checks that nothing but these came out since the last account.
func (l *gitLab) onlyOutcomes(want ...Outcome) {
	l.t.Helper()
	for row := range strings.Lines(l.account()) {
		ok := false
		for _, o := range want {
			ok = ok || strings.Contains(row, " "+string(o)+": ")
		}
		if !ok {
			l.t.Errorf("unexpected: %s", row)
		}
	}
}

// origin runs git on the origin's repositories.
func (l *gitLab) at(dir string, args ...string) string {
	l.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = filepath.Join(l.root, dir)
	cmd.Env = append(cleanGit(l.root), "GIT_ALLOW_PROTOCOL=file")
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Fatalf("origin: git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// repository makes a bare repository with a history: five commits on main, two
// more on other, an annotated tag on the third, and a ref that is neither.
func (l *gitLab) repository(name string, config ...string) {
	l.t.Helper()
	l.at("", append([]string{"init", "-q", "--bare", "-b", "main"}, append(config, name)...)...)
	l.at(name, "config", "uploadpack.allowFilter", "true")
	l.at(name, "config", "uploadpack.allowAnySHA1InWant", "true")
	l.at(name, "config", "http.receivepack", "true")
	for _, n := range []string{"1", "2", "3", "4", "5"} {
		l.commit(name, "main", n)
	}
	l.at(name, "tag", "-a", "-m", "one", "v1", "main~2")
	l.at(name, "tag", "light", "main~3")
	l.at(name, "branch", "other", "main~1")
	l.commit(name, "other", "6")
	l.commit(name, "other", "7")
	l.at(name, "update-ref", "refs/pull/1/head", "other~1")
}

// commit adds one to a branch of an origin's repository.
func (l *gitLab) commit(name, branch, text string) string {
	l.t.Helper()
	blob := filepath.Join(l.t.TempDir(), "blob")
	if err := os.WriteFile(blob, []byte(strings.Repeat(text+"\n", 100)), 0o600); err != nil {
		l.t.Fatal(err)
	}
	oid := l.at(name, "hash-object", "-w", blob)
	return l.commitTree(name, branch, text, "100644", oid, "file"+text)
}

// commitTree adds a commit in which one entry is new.
func (l *gitLab) commitTree(name, branch, message, mode, oid, path string) string {
	l.t.Helper()
	index := filepath.Join(l.t.TempDir(), "index")
	in := func(args ...string) string {
		l.t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = filepath.Join(l.root, name)
		cmd.Env = append(cleanGit(l.root), "GIT_INDEX_FILE="+index)
		out, err := cmd.CombinedOutput()
		if err != nil {
			l.t.Fatalf("origin: git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	args := []string{"commit-tree", "-m", message}
	if old := in("for-each-ref", "--format=%(objectname)", "refs/heads/"+branch); old != "" {
		in("read-tree", old)
		args = append(args, "-p", old)
	}
	in("update-index", "--add", "--cacheinfo", mode+","+oid+","+path)
	commit := in(append(args, in("write-tree"))...)
	in("update-ref", "refs/heads/"+branch, commit)
	return commit
}

// sameAs checks that a clone is what a clone from the origin itself is.
func (l *gitLab) sameAs(clone, ref, name, originRef string) {
	l.t.Helper()
	if got, want := l.git("-C", clone, "rev-parse", ref), l.at(name, "rev-parse", originRef); got != want {
		l.t.Errorf("%s: %s is %s, want %s", clone, ref, got, want)
	}
	l.git("-C", clone, "fsck", "--strict", "--no-dangling")
}
