package proxy

import (
	"context"
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cachex/proxy/policy"
)

// behindPassword lets those in who have one of the passwords.
func behindPassword(passwords ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, got, _ := r.BasicAuth()
			for _, p := range passwords {
				if got == p {
					next.ServeHTTP(w, r)
					return
				}
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
		})
	}
}

// wantNoSecret looks for secrets, and what HTTP makes of them, in each file and
// each name below a directory.
func wantNoSecret(t *testing.T, dir string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte("alice:"+s)), base64.StdEncoding.EncodeToString([]byte("bob:"+s)))
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		content := []byte{}
		if d.Type().IsRegular() {
			files++
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, _ := os.Readlink(path)
			content = []byte(target)
		}
		for _, s := range secrets {
			if strings.Contains(path+"\n"+string(content), s) {
				t.Errorf("%s holds %q", path, s)
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}

// TestGitCredentials: a mirror serves those alone who filled it.
func TestGitCredentials(t *testing.T) {
	const alice, bob, url = "s3cr3t-of-alice", "s3cr3t-of-bob", "git.example/r.git"
	l := newGitLab(t, behindPassword(alice, bob))
	l.repository("r.git")
	l.git("clone", "-q", "https://alice:"+alice+"@"+url, "cold")
	said := l.account()
	l.git("-c", "http.extraHeader=Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("bob:"+bob)), "ls-remote", "https://"+url)
	said += l.account()
	l.restart(behindPassword(alice, bob), rigOptions{}) // all is on disk now
	wantNoSecret(t, l.dir, alice, bob)

	l.offline()
	l.git("clone", "-q", "-b", "other", "https://alice:"+alice+"@"+url, "other")
	l.sameAs("other", "HEAD", "r.git", "other")
	l.git("clone", "-q", "--depth", "1", "https://alice:"+alice+"@"+url, "shallow")
	said += l.account()
	for name, from := range map[string]string{"nobody": "https://" + url, "alice-with-bobs": "https://alice:" + bob + "@" + url, "bob": "https://bob:" + bob + "@" + url, "wrong": "https://alice:x" + alice + "@" + url} {
		for _, version := range []string{"0", "2"} {
			if out, err := l.try("-c", "protocol.version="+version, "clone", "-q", from, name+version); err == nil {
				t.Errorf("%s cloned with protocol %s what alice fetched: %s", name, version, out)
			}
		}
	}
	said += l.account()
	for _, s := range []string{alice, bob} {
		if strings.Contains(said, s) {
			t.Errorf("the account holds %q:\n%s", s, said)
		}
	}
}

// TestGitPush: a push reaches upstream once, and nothing of it is kept.
func TestGitPush(t *testing.T) {
	l := newGitLab(t, nil)
	l.restart(nil, rigOptions{mode: policy.Forever}) // which keeps all that may be kept
	l.repository("r.git")
	l.git("clone", "-q", gitURL+"r.git", "work")
	for n, version := range []string{"0", "1", "2"} {
		l.git("-c", "protocol.version="+version, "ls-remote", gitURL+"r.git")
		// More than git sends at once: a probe goes before a body of unknown length.
		big := make([]byte, 3<<20)
		for i := range big {
			big[i] = byte((i + n) * i >> 7 * i >> 3)
		}
		if err := os.WriteFile(filepath.Join(l.work, "work", "big"+version), big, 0o600); err != nil {
			t.Fatal(err)
		}
		l.git("-C", "work", "add", ".")
		l.git("-C", "work", "commit", "-q", "-m", version)
		l.account()
		l.git("-C", "work", "-c", "core.compression=0", "-c", "protocol.version="+version, "push", "-q", "origin", "main")
		l.onlyOutcomes(Pass)
		for _, asks := range []string{"0", "1", "2"} {
			got := l.git("-c", "protocol.version="+asks, "ls-remote", "--heads", gitURL+"r.git", "main")
			if want := l.at("r.git", "rev-parse", "main"); !strings.HasPrefix(got, want) {
				t.Errorf("after a push of protocol %s, %s says %q, want %s", version, asks, got, want)
			}
		}
	}
	if n := l.originSaw("POST /r.git/git-receive-pack"); n != 6 { // a probe and the pack, each time
		t.Errorf("%d POSTs reached the origin", n)
	}
	l.git("-C", "work", "push", "-q", "origin", "main:new")
	if n := l.originSaw("POST /r.git/git-receive-pack"); n != 7 {
		t.Errorf("%d POSTs reached the origin", n)
	}
	filepath.WalkDir(l.dir, func(path string, _ fs.DirEntry, _ error) error {
		if strings.Contains(path, "receive-pack") {
			t.Errorf("kept: %s", path)
		}
		return nil
	})
	l.offline()
	l.refused("-C", "work", "push", "-q", "origin", "main:newer")
}

// TestPushIsHTTP1: what follows the first question of a push comes over HTTP/1.1.
func TestPushIsHTTP1(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "refs") }), rigOptions{})
	client := r.client(true)
	for i, want := range []int{2, 1, 1} {
		resp, err := client.Get(host + "/r.git/info/refs?service=git-receive-pack")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "refs" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		resp.Body.Close()
		if resp.ProtoMajor != want {
			t.Errorf("answer %d came over %s", i, resp.Proto)
		}
	}
}

// TestPushBreaksOff: a client that goes away in the middle of a push leaves
// nothing of it at work, and upstream sees no whole push.
func TestPushBreaksOff(t *testing.T) {
	for _, h2 := range []bool{true, false} {
		began, broke := make(chan struct{}), make(chan error, 1)
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			io.ReadFull(req.Body, make([]byte, 1<<10))
			close(began)
			_, err := io.Copy(io.Discard, req.Body)
			broke <- err
		}), rigOptions{})
		ctx, cancel := context.WithCancel(context.Background())
		body, w := io.Pipe()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, host+"/r.git/git-receive-pack", body)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Write(make([]byte, 1<<20))
			<-began
			cancel()
			w.CloseWithError(context.Canceled) // the transport waits for whoever reads it
		}()
		if _, err := r.client(h2).Do(req); err == nil {
			t.Error("an answer came")
		}
		<-done
		if err := <-broke; err == nil {
			t.Error("upstream takes what it got for a whole push")
		}
	}
}

// TestGitTogether: two runs of cachex fill and read one mirror at a time.
func TestGitTogether(t *testing.T) {
	l := newGitLab(t, nil)
	l.repository("r.git")
	other := &gitLab{t: t, root: l.root, work: t.TempDir()}
	other.start(nil, rigOptions{dir: l.dir})
	var all sync.WaitGroup
	for _, each := range []*gitLab{l, other} {
		for _, args := range [][]string{{"whole"}, {"-b", "other", "other"}, {"--depth", "1", "shallow"}, {"--single-branch", "single"}} {
			all.Go(func() {
				if out, err := each.try(append([]string{"clone", "-q", gitURL + "r.git"}, args...)...); err != nil {
					t.Errorf("clone %v: %v\n%s", args, err, out)
				}
			})
		}
	}
	all.Wait()
	other.stop()
	l.offline()
	l.git("clone", "-q", "--mirror", gitURL+"r.git", "mirror")
	l.sameAs("mirror", "refs/heads/main", "r.git", "main")
}
