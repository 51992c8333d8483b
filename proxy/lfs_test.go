package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// lfsServer is an LFS server whose links are good for one batch: they are
// signed anew, want a token of their own, and lead to a path without digest.
type lfsServer struct {
	password string // of the batch, "" for none
	token    bool   // links come with an Authorization
	redirect bool   // links lead to a second, signed, link
	wrong    bool   // sends other bytes

	mu      sync.Mutex
	objects []string          // by number
	links   map[string]string // what may be asked for now: URL to Authorization
	serial  int
	gets    int
	posts   []string
	secrets []string
}

func oidOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// link makes a new signed link to an object.
func (s *lfsServer) link(host string, n int) (href, auth string) {
	s.serial++
	signature := fmt.Sprintf("s3cr3t-signature-%d", s.serial)
	path := fmt.Sprintf("/storage/%d?X-Amz-Credential=me&X-Amz-Signature=%s", n, signature)
	s.secrets = append(s.secrets, signature)
	if s.token {
		auth = fmt.Sprintf("Bearer s3cr3t-token-%d", s.serial)
		s.secrets = append(s.secrets, strings.TrimPrefix(auth, "Bearer "))
	}
	if s.links == nil {
		s.links = map[string]string{}
	}
	s.links[path] = auth
	return "https://" + host + path, auth
}

func (s *lfsServer) wrap(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("POST /r.git/info/lfs/", s.post)
	mux.HandleFunc("GET /storage/{n}", s.get)
	return mux
}

func (s *lfsServer) post(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts = append(s.posts, r.URL.Path)
	if _, got, _ := r.BasicAuth(); got != s.password {
		w.Header().Set("LFS-Authenticate", `Basic realm="lfs"`)
		w.Header().Set("WWW-Authenticate", `Basic realm="lfs"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var asked lfsRequest
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	var all []map[string]any
	for _, o := range asked.Objects {
		for n, content := range s.objects {
			if oidOf(content) != o.OID {
				continue
			}
			href, auth := s.link("storage.example", n)
			action := map[string]any{"href": href, "expires_at": "2101-01-01T00:00:00Z", "expires_in": 600}
			if auth != "" {
				action["header"] = map[string]string{"Authorization": auth}
			}
			all = append(all, map[string]any{"oid": o.OID, "size": len(content), "authenticated": true, "actions": map[string]any{"download": action}})
		}
	}
	w.Header().Set("Content-Type", lfsType)
	json.NewEncoder(w).Encode(map[string]any{"transfer": "basic", "objects": all})
}

func (s *lfsServer) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	auth, ok := s.links[r.URL.RequestURI()]
	if !ok || auth != "" && r.Header.Get("Authorization") != auth {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	s.gets++
	var n int
	fmt.Sscan(r.PathValue("n"), &n)
	if s.redirect && r.Host != "cdn.example" {
		s.token = false
		href, _ := s.link("cdn.example", n)
		s.token = true
		http.Redirect(w, r, href, http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	content := s.objects[n]
	if s.wrong {
		content = strings.Repeat("x", len(content))
	}
	io.WriteString(w, content)
}

// lfsClient asks as git-lfs does.
type lfsClient struct {
	*rig
	auth string   // of the batch
	came Exchange // what became of the last request
}

func newLFSClient(r *rig, auth string) *lfsClient { return &lfsClient{rig: r, auth: auth} }

func (c *lfsClient) wantCame(o Outcome) {
	c.t.Helper()
	if c.came.Outcome != o {
		c.t.Errorf("%s %s: outcome %s (%s), want %s", c.came.Method, c.came.URL, c.came.Outcome, c.came.Reason, o)
	}
}

// batch gives what is answered for each object.
func (c *lfsClient) batch(oids ...string) (answer, map[string]lfsObject) {
	c.t.Helper()
	asked := map[string]any{"operation": "download", "transfers": []string{"basic"}, "hash_algo": "sha256"}
	objects := []map[string]any{}
	for _, oid := range oids {
		objects = append(objects, map[string]any{"oid": oid, "size": 1})
	}
	asked["objects"] = objects
	body, _ := json.Marshal(asked)
	header := []string{"Content-Type", lfsType, "Accept", lfsType}
	if c.auth != "" {
		header = append(header, "Authorization", c.auth)
	}
	a := c.do(http.MethodPost, gitURL+"r.git/info/lfs/objects/batch", string(body), header...)
	c.came = c.last()
	var got lfsResponse
	if a.err != nil || a.StatusCode == 200 && json.Unmarshal([]byte(a.body), &got) != nil {
		c.t.Fatalf("batch: %v %q", a.err, a.body)
	}
	byOID := map[string]lfsObject{}
	for _, o := range got.Objects {
		byOID[o.OID] = o
	}
	return a, byOID
}

// follow gets an object, through redirects, which drop credentials.
func (c *lfsClient) follow(o lfsObject) string {
	c.t.Helper()
	action, ok := o.Actions["download"]
	if !ok {
		c.t.Errorf("no link to %s", o.OID)
		return ""
	}
	var header []string
	for name, value := range action.Header {
		header = append(header, name, value)
	}
	a := c.get(action.Href, header...)
	c.came = c.last()
	if a.err == nil && a.StatusCode == http.StatusFound {
		a = c.get(a.Header.Get("Location"))
		c.came = c.last()
	}
	if a.err != nil || a.StatusCode != 200 {
		return fmt.Sprint(a.err, a.Response.StatusCode)
	}
	return a.body
}

// TestLFS: an object is kept by its digest, whatever led to it.
func TestLFS(t *testing.T) {
	for name, s := range map[string]*lfsServer{
		"public":    {},
		"token":     {token: true},
		"password":  {password: "s3cr3t-pw", token: true},
		"redirects": {password: "s3cr3t-pw", token: true, redirect: true},
	} {
		t.Run(name, func(t *testing.T) {
			s.objects = []string{"one", "two", "three", "four"}
			var oids []string
			for _, o := range s.objects {
				oids = append(oids, oidOf(o))
			}
			auth := ""
			if s.password != "" {
				auth = "Basic YWxpY2U6czNjcjN0LXB3" // alice:s3cr3t-pw
				s.secrets = append(s.secrets, s.password)
			}
			c := newLFSClient(newRig(t, s.wrap(http.NotFoundHandler()), rigOptions{}), auth)
			for _, ask := range [][]string{oids[:2], {oids[2]}} {
				a, objects := c.batch(ask...)
				if a.StatusCode != 200 {
					t.Fatalf("batch: %d %s", a.StatusCode, a.body)
				}
				for i, oid := range oids {
					if o, ok := objects[oid]; ok && c.follow(o) != s.objects[i] {
						t.Errorf("object %d differs", i)
					}
				}
			}
			gets := s.gets
			_, objects := c.batch(oids[:3]...) // new links to what is kept
			for i, oid := range oids[:3] {
				if c.follow(objects[oid]) != s.objects[i] {
					t.Errorf("object %d differs", i)
				}
				c.wantCame(Hit)
			}
			if s.gets != gets {
				t.Errorf("%d objects were fetched again", s.gets-gets)
			}
			// The link without its token is what it is upstream.
			if s.token {
				if a := c.get(objects[oids[0]].Actions["download"].Href, "Authorization", "Bearer other"); a.StatusCode == 200 {
					t.Error("the link served somebody else")
				}
			}
			c.stop()
			wantNoSecret(t, c.dir, s.secrets...)

			off := newLFSClient(newRig(t, http.NotFoundHandler(), rigOptions{offline: true, dir: c.dir}), auth)
			a, objects := off.batch(oids[2], oids[0]) // of two batches, and another order
			if strings.Contains(a.body, "expires_at") || objects[oids[0]].Actions["download"].ExpiresIn < 3600 {
				t.Errorf("%s", a.body)
			}
			off.wantCame(Hit)
			for i, oid := range oids[:3] {
				_, objects := off.batch(oid)
				if got := off.follow(objects[oid]); got != s.objects[i] {
					t.Errorf("object %d is %q", i, got)
				}
				off.wantCame(Hit)
			}
			_, objects = off.batch(oids[0], oids[3])
			off.wantCame(Refused)
			if objects[oids[3]].Error == nil || objects[oids[0]].Error != nil {
				t.Errorf("one of two: %+v", objects)
			}
			a, _ = off.batch(oids[3], "../../../etc/passwd")
			if a.StatusCode != 403 {
				t.Errorf("none of two: %d", a.StatusCode)
			}
			off.wantCame(Refused)
			if off.auth != "" {
				off.auth = "Basic eDp4"
				if a, _ := off.batch(oids[0]); a.StatusCode == 200 {
					t.Errorf("somebody else is told %s", a.body)
				}
				if a := off.get(gitURL + "r.git/info/lfs/objects/" + oids[0]); a.StatusCode == 200 {
					t.Error("and nobody gets it")
				}
			}
		})
	}
}

// TestLFSUnauthorized: a client shows credentials when it is told to, which it
// is offline too.
func TestLFSUnauthorized(t *testing.T) {
	s := &lfsServer{password: "s3cr3t-pw", objects: []string{"one"}}
	c := newLFSClient(newRig(t, s.wrap(http.NotFoundHandler()), rigOptions{}), "")
	if a, _ := c.batch(oidOf("one")); a.StatusCode != 401 {
		t.Errorf("%d", a.StatusCode)
	}
	off := newLFSClient(c.again(http.NotFoundHandler(), rigOptions{offline: true}), "")
	if a, _ := off.batch(oidOf("one")); a.StatusCode != 401 || a.Header.Get("LFS-Authenticate") == "" {
		t.Errorf("offline: %d %v", a.StatusCode, a.Header)
	}
}

// TestLFSWrongBytes: what is not the object is never kept as it.
func TestLFSWrongBytes(t *testing.T) {
	s := &lfsServer{objects: []string{"one"}, wrong: true}
	c := newLFSClient(newRig(t, s.wrap(http.NotFoundHandler()), rigOptions{}), "")
	oid := oidOf("one")
	_, objects := c.batch(oid)
	if got := c.follow(objects[oid]); got != "xxx" {
		t.Errorf("the client gets %q", got)
	}
	c.wantCame(Pass)
	s.mu.Lock()
	s.wrong = false
	s.mu.Unlock()
	_, objects = c.batch(oid)
	if got := c.follow(objects[oid]); got != "one" {
		t.Errorf("then it gets %q", got)
	}
	// Nor is a file that was damaged later.
	file := filepath.Join(c.dir, "git.example/r.git/info/lfs/objects", oid)
	if b, err := os.ReadFile(file); err != nil || string(b) != "one" {
		t.Fatalf("the file holds %q, %v", b, err)
	}
	if err := os.Truncate(file, 1); err != nil {
		t.Fatal(err)
	}
	_, objects = c.batch(oid)
	if got := c.follow(objects[oid]); got != "one" {
		t.Errorf("after damage it gets %q", got)
	}
}

// TestLFSUpstreamFails: what is kept stands in.
func TestLFSUpstreamFails(t *testing.T) {
	s := &lfsServer{objects: []string{"one"}}
	c := newLFSClient(newRig(t, s.wrap(http.NotFoundHandler()), rigOptions{}), "")
	oid := oidOf("one")
	_, objects := c.batch(oid)
	c.follow(objects[oid])
	down := newLFSClient(c.again(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }), rigOptions{}), "")
	_, objects = down.batch(oid)
	down.wantCame(Stale)
	if got := down.follow(objects[oid]); got != "one" {
		t.Errorf("%q", got)
	}
	if a, _ := down.batch(oidOf("two")); a.StatusCode != 503 {
		t.Errorf("%d", a.StatusCode)
	}
}

// TestLFSWrites: uploads, locks and the rest go through, once, and leave
// nothing.
func TestLFSWrites(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Method+" "+r.URL.Path]++
		w.Header().Set("Content-Type", lfsType)
		w.Header().Set("Cache-Control", "max-age=600")
		io.WriteString(w, `{"objects":[],"locks":[]}`)
	}), rigOptions{})
	for _, c := range [][3]string{
		{"POST", "/objects/batch", `{"operation":"upload","objects":[]}`},
		{"POST", "/objects/batch", `{"operation":"download","objects":{}}`},
		{"POST", "/objects/batch", `not json`},
		{"POST", "/locks/verify", `{}`},
		{"POST", "/locks", `{}`},
		{"GET", "/locks", ``},
		{"PUT", "/objects/" + oidOf("x"), `x`},
		{"POST", "/verify", `{}`},
	} {
		for range 2 {
			a := r.do(c[0], gitURL+"r.git/info/lfs"+c[1], c[2], "Content-Type", lfsType)
			r.want(a, 200, `{"objects":[],"locks":[]}`, Pass)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if seen["POST /r.git/info/lfs/objects/batch"] != 6 || seen["GET /r.git/info/lfs/locks"] != 2 || seen["PUT /r.git/info/lfs/objects/"+oidOf("x")] != 2 {
		t.Errorf("%v", seen)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "git.example")); err == nil {
		t.Error("something was kept")
	}
}

// TestLFSClient has git-lfs itself do all that.
func TestLFSClient(t *testing.T) {
	if err := exec.Command("git", "lfs", "version").Run(); err != nil {
		t.Skip("this machine has no git-lfs; CI has")
	}
	s := &lfsServer{token: true, objects: []string{strings.Repeat("one\n", 100_000), strings.Repeat("two\n", 200_000)}}
	l := newGitLab(t, s.wrap)
	l.repository("r.git")
	for n, content := range s.objects {
		pointer := exec.Command("git", "lfs", "clean")
		pointer.Dir, pointer.Env, pointer.Stdin = filepath.Join(l.root, "r.git"), cleanGit(l.root), strings.NewReader(content)
		out, err := pointer.Output()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "pointer")
		if err := os.WriteFile(file, out, 0o600); err != nil {
			t.Fatal(err)
		}
		branch := []string{"main", "other"}[n]
		l.commitTree("r.git", branch, "large", "100644", l.at("r.git", "hash-object", "-w", file), "large")
		attributes := filepath.Join(t.TempDir(), "attributes")
		if err := os.WriteFile(attributes, []byte("large filter=lfs diff=lfs merge=lfs -text\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		l.commitTree("r.git", branch, "attributes", "100644", l.at("r.git", "hash-object", "-w", attributes), ".gitattributes")
	}
	l.env = []string{"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=filter.lfs.process", "GIT_CONFIG_VALUE_0=git-lfs filter-process",
		"GIT_CONFIG_KEY_1=filter.lfs.required", "GIT_CONFIG_VALUE_1=true"}
	pull := func(name, branch string, content string) {
		t.Helper()
		l.git("clone", "-q", "-b", branch, gitURL+"r.git", name)
		if b, err := os.ReadFile(filepath.Join(l.work, name, "large")); err != nil || string(b) != content {
			t.Errorf("%s: large is %.20q, %v", name, b, err)
		}
	}
	pull("cold-main", "main", s.objects[0])
	pull("cold-other", "other", s.objects[1])
	gets := s.gets
	l.restart(s.wrap, rigOptions{})
	pull("warm", "main", s.objects[0])
	if s.gets != gets {
		t.Error("an object was fetched again")
	}
	l.stop()
	wantNoSecret(t, l.dir, s.secrets...)
	l.offline()
	pull("offline", "main", s.objects[0])
	l.git("-C", "offline", "lfs", "fetch", "--all")
	l.onlyOutcomes(Hit)
}
