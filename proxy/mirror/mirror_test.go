package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// feeder makes this test binary a process that feeds what its standard input
// has; its value is the mirrors' folder.
const feeder = "CACHEX_TEST_FEEDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(feeder); dir != "" {
		ms := &Mirrors{Dir: dir}
		fmt.Println(ms.Repository("h/r").Feed(context.Background(), Question{Version: 2}, os.Stdin, "abc"))
		return
	}
	goleak.VerifyTestMain(m)
}

// upstream is a repository whose own upload-pack gives answers to feed.
type upstream struct {
	t   *testing.T
	dir string
}

// needsGit skips a test where there is no git. CI has it, and counts skips.
func needsGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("this machine has no git; CI has")
	}
}

func newUpstream(t *testing.T) *upstream {
	needsGit(t)
	u := &upstream{t, t.TempDir()}
	u.git("init", "-q", "-b", "main")
	return u
}

func (u *upstream) git(args ...string) string {
	u.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = u.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + u.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@git.example", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@git.example"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		u.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit adds a commit with a file of its own and gives its name.
func (u *upstream) commit(size int) string {
	u.t.Helper()
	name := fmt.Sprintf("file%d", time.Now().UnixNano())
	noise := make([]byte, size)
	for i, h := 0, sha256.Sum256([]byte(name)); i < len(noise); h = sha256.Sum256(h[:]) {
		i += copy(noise[i:], h[:])
	}
	if err := os.WriteFile(filepath.Join(u.dir, name), noise, 0o600); err != nil {
		u.t.Fatal(err)
	}
	u.git("add", ".")
	u.git("commit", "-q", "-m", name)
	return u.git("rev-parse", "HEAD")
}

// ask is a fetch of a commit for a client that has others.
func ask(want string, have ...string) (Question, string) {
	lines := []string{"command=fetch", "0001", "thin-pack", "ofs-delta", "want " + want + "\n"}
	for _, h := range have {
		lines = append(lines, "have "+h+"\n")
	}
	return Question{Version: 2, Command: "fetch", Wants: []string{want}}, wire(append(lines, "done\n", "0000")...)
}

func (u *upstream) answer(body string) []byte {
	u.t.Helper()
	cmd := exec.Command("git", "upload-pack", "--stateless-rpc", u.dir)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + u.dir, "GIT_PROTOCOL=version=2", "GIT_CONFIG_NOSYSTEM=1"}
	cmd.Stdin = strings.NewReader(body)
	out, err := cmd.Output()
	if err != nil {
		u.t.Fatal(err)
	}
	return out
}

func open(t *testing.T, dir string) *Mirrors {
	m := &Mirrors{Dir: dir}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func feed(t *testing.T, r *Repository, q Question, answer []byte) {
	t.Helper()
	sum := sha256.Sum256(answer)
	if err := r.Feed(context.Background(), q, bytes.NewReader(answer), hex.EncodeToString(sum[:])); err != nil {
		t.Fatal(err)
	}
	if !r.Fed(hex.EncodeToString(sum[:])) {
		t.Error("what was fed is not known to be")
	}
}

// fetch gives the pack that the mirror answers with.
func fetch(t *testing.T, r *Repository, q Question, body string) ([]byte, error) {
	t.Helper()
	out, err := r.mirrors.Temp()
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	if err := r.Fetch(context.Background(), q, strings.NewReader(body), out); err != nil {
		return nil, err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	pack, err := openPack(q.Version, out)
	if err != nil || pack == nil {
		t.Fatalf("no pack: %v", err)
	}
	return io.ReadAll(pack)
}

func wantNone(t *testing.T, err error) {
	t.Helper()
	var none *NoneError
	if !errors.As(err, &none) {
		t.Errorf("%v is no NoneError", err)
	}
}

func TestFetch(t *testing.T) {
	u := newUpstream(t)
	one := u.commit(1000)
	two := u.commit(1000)
	m := open(t, t.TempDir())
	r := m.Repository("h/r")
	q, body := ask(two)
	_, err := fetch(t, r, q, body)
	wantNone(t, err)

	// A thin pack of the second commit alone: not whole, but for who has the first.
	_, thin := ask(two, one)
	q1, body1 := ask(one)
	feed(t, r, q1, u.answer(body1))
	_, err = fetch(t, r, q, body)
	wantNone(t, err)
	feed(t, r, q, u.answer(thin))
	if pack, err := fetch(t, r, q, body); err != nil || !bytes.HasPrefix(pack, []byte("PACK")) {
		t.Errorf("%.10q, %v", pack, err)
	}
	if _, err := fetch(t, m.Repository("h/r/objects"), q, body); err == nil {
		t.Error("one repository answers for another")
	}
}

// A thin pack whose base never came is no use, and does no harm.
func TestBaseMissing(t *testing.T) {
	u := newUpstream(t)
	one := u.commit(100_000)
	two := u.commit(10)
	r := open(t, t.TempDir()).Repository("h/r")
	q, body := ask(two, one)
	if err := r.Feed(context.Background(), q, bytes.NewReader(u.answer(body)), "abc"); err == nil {
		if _, body := ask(two); body != "" {
			_, err := fetch(t, r, q, body)
			wantNone(t, err)
		}
	}
	q, body = ask(two)
	feed(t, r, q, u.answer(body))
	if _, err := fetch(t, r, q, body); err != nil {
		t.Error(err)
	}
}

// killFeeder kills a process that has been given a part of an answer.
func killFeeder(t *testing.T, dir string, part []byte) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), feeder+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(part); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
}

// TestKilled kills processes that feed, at twenty moments.
func TestKilled(t *testing.T) {
	u := newUpstream(t)
	tip := u.commit(2 << 20)
	q, body := ask(tip)
	answer := u.answer(body)
	dir, temp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	r := open(t, dir).Repository("h/r")
	packs := filepath.Join(dir, "h", "r"+suffix, "objects", "pack")
	for i := range 20 {
		killFeeder(t, dir, answer[:len(answer)*(i+1)/20])
		if r.Fed("abc") {
			continue // git was faster
		}
		if pack, err := fetch(t, r, q, body); err == nil && len(pack) < 2<<20 {
			t.Errorf("after %d: a pack of %d bytes", i, len(pack))
		}
	}
	// What a git that died with its parent leaves.
	if err := errors.Join(os.MkdirAll(packs, 0o755), os.WriteFile(filepath.Join(packs, "tmp_pack_dead"), []byte("PACK"), 0o444)); err != nil {
		t.Fatal(err)
	}
	feed(t, r, q, answer)
	if left, _ := filepath.Glob(filepath.Join(packs, "*tmp*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(packs, "*.pack")); len(left) != 1 {
		t.Errorf("packs: %v", left)
	}
	if err := r.mirrors.Close(); err != nil {
		t.Fatal(err)
	}
	// Some died before their folder had a lock: age tells then.
	left, _ := filepath.Glob(filepath.Join(temp, "*"))
	for _, name := range left {
		if err := os.Chtimes(name, time.Time{}, time.Now().Add(-2*lockless)); err != nil {
			t.Fatal(err)
		}
	}
	last := open(t, dir) // sweeps what the dead left
	f, err := last.Temp()
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) != 1 {
		t.Errorf("temporary folders: %v", left)
	}
	if _, err := fetch(t, last.Repository("h/r"), q, body); err != nil {
		t.Error(err)
	}
}

// TestTogether feeds and fetches from several mirrors of one directory, as
// several processes do, until packs are joined.
func TestTogether(t *testing.T) {
	u := newUpstream(t)
	dir := t.TempDir()
	type commit struct {
		q      Question
		body   string
		answer []byte
	}
	var commits []commit
	last := ""
	for range maxPacks + 5 {
		tip := u.commit(100)
		have := []string{}
		if last != "" {
			have = append(have, last)
		}
		q, body := ask(tip, have...)
		_, whole := ask(tip)
		commits = append(commits, commit{q, whole, u.answer(body)})
		last = tip
	}
	var all sync.WaitGroup
	for range 2 {
		r := open(t, dir).Repository("h/r")
		all.Go(func() {
			for i, c := range commits {
				feed(t, r, c.q, c.answer)
				if i%10 == 0 || i > maxPacks {
					if _, err := fetch(t, r, c.q, c.body); err != nil {
						t.Errorf("after %d: %v", i, err)
					}
				}
			}
		})
	}
	all.Wait()
	packs, _ := filepath.Glob(filepath.Join(dir, "h", "r"+suffix, "objects", "pack", "*.pack"))
	if len(packs) == 0 || len(packs) > maxPacks {
		t.Errorf("%d packs", len(packs))
	}
}

// A cache directory may come from anybody: git obeys nothing in it, and nothing
// is written outside of it.
func TestHostileDirectory(t *testing.T) {
	u := newUpstream(t)
	q, body := ask(u.commit(100))
	dir, outside := t.TempDir(), t.TempDir()
	r := open(t, dir).Repository("h/r")
	feed(t, r, q, u.answer(body))
	ran := filepath.Join(outside, "ran")
	hook := fmt.Sprintf("#!/bin/sh\ntouch %s\nexec \"$@\"\n", ran)
	for name, content := range map[string]string{
		"config":        "[uploadpack]\n\tpackObjectsHook = touch " + ran + ";\n[core]\n\tfsmonitor = touch " + ran + "\n\thooksPath = hooks\n",
		"hooks/post-up": hook, "HEAD": "ref: refs/heads/main\n", "commondir": outside, "objects/../gitdir": outside,
	} {
		path := filepath.Join(dir, "h", "r"+suffix, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fetch(t, r, q, body); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("a command of the directory's ran")
	}

	if err := os.Symlink(outside, filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Repository("away/r").Feed(context.Background(), q, bytes.NewReader(u.answer(body)), "abc"); err == nil {
		t.Error("a link led out")
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("outside: %v", left)
	}
}

func TestViews(t *testing.T) {
	needsGit(t)
	dir := t.TempDir()
	r := open(t, dir).Repository("h/r")
	all := Question{Version: 2, Command: "ls-refs", Peel: true, Symrefs: true}
	at := time.Unix(1_700_000_000, 0)
	for i := range 3 * maxViews {
		v := View{Time: at.Add(time.Duration(i) * time.Second), All: true, Refs: []Ref{{Name: "refs/heads/main", OID: fmt.Sprintf("%040x", i)}}}
		for range 2 { // the second says nothing new
			if err := r.Record(v); err != nil {
				t.Fatal(err)
			}
		}
		if i == 5 {
			q := Question{Version: 2, Command: "fetch", Wants: []string{v.Refs[0].OID}}
			if err := r.Feed(context.Background(), q, strings.NewReader(wire("acknowledgments", "NAK", "0000")), "abc"); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "h", "r"+suffix, viewsDir, "*"+viewExt))
	if len(files) != maxViews+1 {
		t.Errorf("%d views", len(files))
	}
	for fetched, want := range map[bool]int{true: 5, false: 3*maxViews - 1} {
		b, err := r.LsRefs(all, fetched)
		if want := fmt.Sprintf("%040x refs/heads/main\n", want); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("fetched %v: %q, %v; want %s", fetched, b, err, want)
		}
	}
	// Damage is as if it had never been seen.
	for _, name := range files {
		if err := os.WriteFile(name, []byte(`{"all":true,"refs":[{"name":"refs/heads/x\n0000","oid":"`+oidA+`"}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := r.LsRefs(all, true)
	if err == nil {
		t.Errorf("from damaged views: %q", b)
	}
	wantNone(t, err)
}

func TestWithoutGit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "git")
	m := &Mirrors{Dir: dir, Git: "cachex-no-such-git"}
	r := m.Repository("h/r")
	q, body := ask(oidA)
	if err := errors.Join(r.Feed(context.Background(), q, strings.NewReader("x"), "abc"), r.Record(View{All: true})); err != nil {
		t.Error(err)
	}
	wantNone(t, r.Fetch(context.Background(), q, strings.NewReader(body), nil))
	_, err := r.LsRefs(q, true)
	wantNone(t, err)
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder without use was made")
	}
}
