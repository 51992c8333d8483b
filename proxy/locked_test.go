package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cachex/proxy/lock"
)

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// recorded is what a recorder has when its rig has ended, as a file.
func recorded(r *rig) (*lock.File, string) {
	t := r.t
	t.Helper()
	r.stop()
	f := &lock.File{}
	r.proxy.Lock.MergeInto(f)
	var b strings.Builder
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return f, b.String()
}

// lockOrigin has an index that changes, files, errors and redirects.
type lockOrigin struct{ index string }

const largeSize = 3 << 20 // more than a gate holds, and less than is sent unread

func largeFile() string { return strings.Repeat("0123456789abcdef", largeSize/16) }

func (o *lockOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/index":
		w.Header().Set("ETag", `"`+sha(o.index)+`"`)
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(o.index))
	case "/a-1.0.0.tgz":
		fmt.Fprint(w, "the file")
	case "/large-1.0.0.tgz":
		w.Header().Set("ETag", `"large"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(largeFile()))
	case "/moved":
		http.Redirect(w, r, "https://files.example/a-1.0.0.tgz?X-Amz-Signature="+sha(time.Now().String())+"&x=1", http.StatusFound)
	case "/volatile":
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprint(w, time.Now().UnixNano())
	case "/unkept":
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprint(w, o.index)
	case "/v2/":
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://registry.example/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "{}")
	case "/npm":
		w.Header().Set("Vary", "Accept")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "full: "+r.Header.Get("Accept"))
	case "/failing":
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		http.Error(w, "no such document, "+sha(time.Now().String()), http.StatusNotFound)
	}
}

// use asks for all that there is.
func use(r *rig) {
	r.t.Helper()
	r.get("https://registry.example/index")
	r.get("https://registry.example/a-1.0.0.tgz")
	r.get("https://registry.example/large-1.0.0.tgz")
	r.get("https://registry.example/moved")
	r.get("https://registry.example/missing")
	r.get("https://registry.example/unkept")
	r.get("https://registry.example/v2/")
	r.get("https://registry.example/v2/", "Authorization", "Bearer secret-token")
	r.get("https://registry.example/npm")
	r.get("https://registry.example/npm", "Accept", "application/vnd.npm.install-v1+json; q=1.0, */*")
	r.do(http.MethodHead, "https://registry.example/a-1.0.0.tgz", "")
	r.do(http.MethodPost, "https://registry.example/advisories", "{}")
}

// The lock of a run has all that was received, without secrets, and is the same
// for the same run, from the network and from the cache.
func TestLockNamesWhatWasReceived(t *testing.T) {
	o := &lockOrigin{index: "one"}
	rec := &lock.Recorder{}
	r := newRig(t, o, rigOptions{lock: rec})
	use(r)
	r.get("https://registry.example/volatile")
	r.get("https://registry.example/volatile")
	r.get("https://registry.example/failing")
	_, text := recorded(r)
	want := `cachex lock 1
` + sha("the file") + ` 8 GET https://registry.example/a-1.0.0.tgz
- - HEAD https://registry.example/a-1.0.0.tgz
- - POST https://registry.example/advisories soft
` + sha("one") + ` 3 GET https://registry.example/index
` + sha(largeFile()) + ` 3145728 GET https://registry.example/large-1.0.0.tgz
- - GET https://registry.example/missing status=404
- - GET https://registry.example/moved status=302 to=https://files.example/a-1.0.0.tgz?x=1
` + sha("full: ") + ` 6 GET https://registry.example/npm
` + sha("full: application/vnd.npm.install-v1+json; q=1.0, */*") + ` 53 GET https://registry.example/npm as=npm.install-v1
` + sha("one") + ` 3 GET https://registry.example/unkept
` + sha("{}") + ` 2 GET https://registry.example/v2/ auth
- - GET https://registry.example/v2/ status=401
- - GET https://registry.example/volatile soft
`
	if strings.Join(sorted(text), "\n") != strings.Join(sorted(want), "\n") {
		t.Errorf("got\n%s", text)
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "Amz") {
		t.Error("there are secrets in it")
	}
	again := &lock.Recorder{}
	r = r.again(o, rigOptions{lock: again})
	use(r)
	r.get("https://registry.example/volatile")
	r.get("https://registry.example/volatile")
	if _, second := recorded(r); second != text {
		t.Errorf("the second time it is\n%s", second)
	}
}

func sorted(s string) []string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return lines
}

// frozenRig records what use asks for, and gives a rig that is frozen to that.
func frozenRig(t *testing.T, o *lockOrigin, opts rigOptions) *rig {
	t.Helper()
	rec := &lock.Recorder{}
	r := newRig(t, o, rigOptions{lock: rec})
	use(r)
	opts.frozen, _ = recorded(r)
	return r.again(o, opts)
}

// A frozen run gets what the lock names although upstream has something newer,
// and the cache as well, with a network and without.
func TestFrozenGivesTheBuildOfThatDay(t *testing.T) {
	o := &lockOrigin{index: "one"}
	r := frozenRig(t, o, rigOptions{})
	frozen := r.proxy.Frozen
	o.index = "two"
	r = r.again(o, rigOptions{}) // somebody else's run, without the lock
	r.want(r.get("https://registry.example/index"), 200, "two", Miss)
	for _, offline := range []bool{false, true} {
		r = r.again(o, rigOptions{frozen: frozen, offline: offline})
		r.want(r.get("https://registry.example/index"), 200, "one", Hit)
		r.want(r.get("https://registry.example/a-1.0.0.tgz"), 200, "the file", Hit)
		r.want(r.get("https://registry.example/large-1.0.0.tgz"), 200, largeFile(), Hit)
		r.want(r.get("https://registry.example/npm", "Accept", "application/vnd.npm.install-v1+json; q=1.0, */*"), 200, "full: application/vnd.npm.install-v1+json; q=1.0, */*", Hit)
		r.want(r.get("https://registry.example/missing"), 404, "cachex: 404 Not Found, as the lock says\n", Hit)
		a := r.get("https://registry.example/v2/")
		r.want(a, 401, "cachex: 401 Unauthorized, as the lock says\n", Hit)
		if a.Header.Get("WWW-Authenticate") == "" {
			t.Error("nobody says how to authenticate")
		}
		a = r.get("https://registry.example/moved")
		if to := a.Header.Get("Location"); a.StatusCode != 302 || !strings.HasPrefix(to, "https://files.example/a-1.0.0.tgz?") {
			t.Errorf("redirect to %q", to)
		}
		if a := r.do(http.MethodHead, "https://registry.example/a-1.0.0.tgz", ""); a.StatusCode != 200 || a.ContentLength != 8 {
			t.Errorf("HEAD: %d", a.StatusCode)
		}
	}
}

// What is not named is refused before it is asked for; what differs is, in words
// where it is short, and else by an answer without an end.
func TestFrozenRefuses(t *testing.T) {
	o := &lockOrigin{index: "one"}
	r := frozenRig(t, o, rigOptions{})
	a := r.get("https://registry.example/b-1.0.0.tgz")
	r.want(a, 403, "cachex: refused (frozen: the lock does not name it): GET https://registry.example/b-1.0.0.tgz\n"+
		"With --lock and without --frozen the command records what it receives.\n", Refused)
	if n := r.originSaw("GET /b-1.0.0.tgz"); n > 0 {
		t.Error("it was asked for")
	}
	// A new cache, and an upstream that has changed.
	frozen := r.proxy.Frozen
	r.stop()
	o.index = "two"
	r = newRig(t, o, rigOptions{frozen: frozen})
	for _, path := range []string{"/index", "/unkept"} {
		a = r.get("https://registry.example" + path)
		x := r.last()
		if a.StatusCode != 403 || x.Outcome != Refused || x.Cause != CauseFrozen || x.Expected != sha("one") || x.SHA256 != sha("two") ||
			!strings.Contains(a.body, "expected sha256 "+sha("one")+" of 3 bytes, got sha256 "+sha("two")+" of 3 bytes") {
			t.Errorf("%s: %d %s %+v", path, a.StatusCode, a.body, x)
		}
	}
	r.want(r.get("https://registry.example/a-1.0.0.tgz"), 200, "the file", Miss)
	r.want(r.get("https://registry.example/missing"), 404, "cachex: 404 Not Found, as the lock says\n", Hit)
	// What may be any goes upstream.
	if a := r.do(http.MethodPost, "https://registry.example/advisories", "{}"); a.StatusCode != 404 {
		t.Errorf("a soft one: %d", a.StatusCode)
	}
	if a := r.do(http.MethodPost, "https://registry.example/other", "{}"); a.StatusCode != 403 {
		t.Errorf("an unnamed one: %d", a.StatusCode)
	}
	// Nothing of what differs was kept.
	filepath.WalkDir(r.dir, func(p string, d fs.DirEntry, err error) error {
		if b, _ := os.ReadFile(p); string(b) == "two" {
			t.Errorf("%s was kept", p)
		}
		return nil
	})
}

// A file that somebody has changed is not what the lock names, whatever its
// metadata says.
func TestFrozenSeesAPoisonedCache(t *testing.T) {
	for _, c := range []struct {
		name, path, text string
		forged           bool
	}{
		{"edited", "a-1.0.0.tgz", "evil...", false},
		{"forged", "a-1.0.0.tgz", "the evil", true},
		{"index", "index", "eno", true},
		{"large", "large-1.0.0.tgz", strings.Replace(largeFile(), "9abcdef", "9ABCDEF", 1), true},
	} {
		for _, offline := range []bool{false, true} {
			for _, h2 := range []bool{false, true} {
				t.Run(fmt.Sprint(c.name, offline, h2), func(t *testing.T) { poisoned(t, c.path, c.text, c.forged, offline, h2) })
			}
		}
	}
}

func poisoned(t *testing.T, path, text string, forged, offline, h2 bool) {
	r := frozenRig(t, &lockOrigin{index: "one"}, rigOptions{offline: offline})
	file := filepath.Join(r.dir, "registry.example", path)
	fi, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if forged {
		if err := os.Chtimes(file, fi.ModTime(), fi.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	if path == "index" { // the copy that the lock keeps is a link to the same file
		matches, err := filepath.Glob(filepath.Join(r.dir, "registry.example", "index*lock*"))
		if err != nil || len(matches) != 1 {
			t.Fatalf("%v, %v", matches, err)
		}
	}
	resp, err := r.client(h2).Get("https://registry.example/" + path)
	if err != nil {
		t.Fatal(err)
	}
	got, rerr := readAll(resp)
	x := r.last()
	if x.Outcome != Refused || x.SHA256 != sha(text) || x.Expected == "" || x.Expected == x.SHA256 {
		t.Errorf("%+v", x)
	}
	if resp.StatusCode != 403 || rerr != nil || !strings.Contains(got, x.Expected) || !strings.Contains(got, x.SHA256) {
		t.Errorf("%d %.200s, %v", resp.StatusCode, got, rerr)
	}
}

// What comes from a server, and is more than is held, is cut before its end, and
// the client can tell; of it nothing is kept.
func TestFrozenCutsWhatDiffers(t *testing.T) {
	const file = "/large-1.0.0.tgz"
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "known.example" {
			w.Header().Set("Content-Length", fmt.Sprint(largeSize))
		}
		fmt.Fprint(w, largeFile())
	})
	for _, host := range []string{"known.example", "unknown.example"} {
		for _, h2 := range []bool{false, true} {
			r := newRig(t, origin, rigOptions{frozen: parseLock(t, sha("other")+" 3145728 GET https://"+host+file+"\n")})
			resp, err := r.client(h2).Get("https://" + host + file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(resp)
			if err == nil || len(got) == 0 || len(got) > largeSize-gateTail {
				t.Errorf("%s: the client got %d bytes, %v", host, len(got), err)
			}
			x := r.last()
			if x.Outcome != Refused || x.Expected != sha("other") || x.SHA256 != sha(largeFile()) || x.Bytes != int64(len(got)) {
				t.Errorf("%+v", x)
			}
			if _, err := os.Stat(filepath.Join(r.dir, host, file)); err == nil {
				t.Error("it was kept")
			}
			r.stop()
		}
	}
}

func readAll(resp *http.Response) (string, error) {
	defer resp.Body.Close()
	var b strings.Builder
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			if err.Error() == "EOF" {
				err = nil
			}
			return b.String(), err
		}
	}
}

// Parts and conditions work with a lock, and of what a part was asked for the
// whole is named.
func TestLockedParts(t *testing.T) {
	o := &lockOrigin{index: "0123456789"}
	rec := &lock.Recorder{}
	cold := newRig(t, o, rigOptions{lock: rec, near: 1 << 10})
	check := func(r *rig) {
		t.Helper()
		large := largeFile()
		for _, c := range []struct {
			path, field, value string
			status             int
			body               string
		}{
			{"/large-1.0.0.tgz", "Range", "bytes=100-199", 206, large[100:200]},
			{"/large-1.0.0.tgz", "Range", "bytes=-5", 206, large[len(large)-5:]},
			{"/large-1.0.0.tgz", "Range", "bytes=3145700-", 206, large[3145700:]},
			{"/large-1.0.0.tgz", "Range", "bytes=3145728-", 416, ""},
			{"/large-1.0.0.tgz", "If-None-Match", `"x", W/"large"`, 304, ""},
			{"/large-1.0.0.tgz", "If-Match", `"x"`, 412, ""},
			{"/large-1.0.0.tgz", "Range", "bytes=0-1,4-5", 200, large},
		} {
			a := r.get("https://registry.example"+c.path, c.field, c.value)
			if a.err != nil || a.StatusCode != c.status || a.body != c.body {
				t.Errorf("%s: %s: %d, %d bytes, %v", c.field, c.value, a.StatusCode, len(a.body), a.err)
			}
			if x := r.last(); x.Status != c.status || x.Bytes != int64(len(c.body)) {
				t.Errorf("%s: %s: recorded %+v", c.field, c.value, x)
			}
		}
		a := r.get("https://registry.example/large-1.0.0.tgz", "Range", "bytes=0-9", "If-Range", `"other"`)
		if a.StatusCode != 200 || len(a.body) != len(large) {
			t.Errorf("If-Range: %d, %d bytes", a.StatusCode, len(a.body))
		}
	}
	check(cold)
	frozen, text := recorded(cold)
	if want := "cachex lock 1\n" + sha(largeFile()) + " 3145728 GET https://registry.example/large-1.0.0.tgz\n"; text != want {
		t.Errorf("got\n%s", text)
	}
	check(cold.again(o, rigOptions{frozen: frozen, offline: true}))
	// A part of a file in which another part was changed is refused.
	file := filepath.Join(cold.dir, "registry.example", "large-1.0.0.tgz")
	fi, err := os.Stat(file)
	if err == nil {
		err = os.WriteFile(file, []byte(largeFile()[:largeSize-1]+"X"), 0o644)
	}
	if err == nil {
		err = os.Chtimes(file, fi.ModTime(), fi.ModTime())
	}
	if err != nil {
		t.Fatal(err)
	}
	r := cold.again(o, rigOptions{frozen: frozen, offline: true})
	if a := r.get("https://registry.example/large-1.0.0.tgz", "Range", "bytes=0-9"); a.StatusCode != 403 {
		t.Errorf("%d %q", a.StatusCode, a.body)
	}
}

// A body that arrives slowly is not held for ever, but for its last byte.
func TestFrozenSlowBody(t *testing.T) {
	const text = "slowly, slowly"
	f := parseLock(t, sha(text)+" 14 GET https://registry.example/slow-1.0.0.tgz\n")
	next := make(chan bool)
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "14")
		for i := range text {
			fmt.Fprint(w, text[i:i+1])
			http.NewResponseController(w).Flush()
			if i < 12 {
				continue
			}
			select {
			case <-next:
			case <-r.Context().Done():
			}
		}
	})
	r := newRig(t, origin, rigOptions{frozen: f})
	go func() {
		time.Sleep(gatePatience + 200*time.Millisecond)
		next <- true
		next <- true
	}()
	resp, err := r.client(false).Get("https://registry.example/slow-1.0.0.tgz")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(resp); got != text || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func parseLock(t *testing.T, lines string) *lock.File {
	t.Helper()
	f, err := lock.Parse(strings.NewReader("cachex lock 1\n"+lines), "cachex.lock")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A body without an end does not keep a run from ending when its client has gone.
func TestLockedEndlessBody(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		for r.Context().Err() == nil {
			if _, err := fmt.Fprint(w, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	})
	for _, field := range []string{"X-None", "Range"} {
		r := newRig(t, origin, rigOptions{lock: &lock.Recorder{}})
		req, err := http.NewRequest(http.MethodGet, "https://registry.example/endless", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(field, "bytes=0-9")
		resp, err := r.client(false).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := resp.Body.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		began := time.Now()
		if f, text := recorded(r); f.Len() > 0 {
			t.Errorf("recorded\n%s", text)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v to end", took)
		}
	}
}
