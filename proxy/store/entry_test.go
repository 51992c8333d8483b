package store

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

const doc = "registry.example/a.tgz"

func TestPutAndGet(t *testing.T) {
	r := newRig(t)
	r.want("/a.tgz", found{miss: "not in the cache"})
	r.put("/a.tgz", "body")
	r.want("/a.tgz", found{status: 200, body: "body"})
	if data, err := os.ReadFile(r.path(doc)); err != nil || string(data) != "body" {
		t.Errorf("the file holds %q, %v", data, err)
	}
	e, err := r.Get(key("/a.tgz"), "")
	r.must(err)
	defer e.Close()
	const sum = "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"
	if e.SHA256 != sum || e.Size != 4 || e.Header.Get("Etag") != `"x"` || e.URL != "https://registry.example/a.tgz" {
		t.Errorf("metadata %+v", e.Meta)
	}
	// An entry that is open stays what it was.
	r.put("/a.tgz", "newer")
	if old, err := io.ReadAll(e.File); err != nil || string(old) != "body" {
		t.Errorf("the open entry holds %q, %v", old, err)
	}
	r.want("/a.tgz", found{status: 200, body: "newer"})
	if _, err := r.Get(key("/a.tgz"), "v"); err == nil {
		t.Error("a variant that was never kept is found")
	}
	r.must(r.Remove(key("/a.tgz"), ""))
	r.want("/a.tgz", found{miss: "not in the cache"})
	r.must(r.Remove(key("/a.tgz"), ""))
	r.clean()
}

// Damage is a miss with a reason, and a changed file is its owner's.
func TestDamage(t *testing.T) {
	meta := metaDir + "/" + doc + metaExt
	for what, c := range map[string]struct {
		damage func(r *rig)
		want   found
	}{
		"longer and newer": {func(r *rig) { r.write(doc, "edited!"); r.age(doc, time.Hour) }, found{status: 200, body: "edited!", own: true}},
		"same size, newer": {func(r *rig) { r.write(doc, "BODY"); r.age(doc, time.Hour) }, found{status: 200, body: "BODY", own: true}},
		"same size, older": {func(r *rig) { r.write(doc, "BODY"); r.age(doc, -time.Hour) }, found{status: 200, body: "BODY", own: true}},
		"only touched":     {func(r *rig) { r.age(doc, time.Hour) }, found{status: 200, body: "body"}},
		"cut, same time":   {func(r *rig) { r.keepTime(doc, func() { r.must(os.Truncate(r.path(doc), 2)) }) }, found{miss: "cut: 2 of 4"}},
		"emptied, same time": {func(r *rig) {
			r.keepTime(doc, func() { r.must(os.Truncate(r.path(doc), 0)) })
		}, found{miss: "cut: 0 of 4"}},
		"removed":            {func(r *rig) { r.must(os.Remove(r.path(doc))) }, found{miss: "its file was removed"}},
		"a folder instead":   {func(r *rig) { r.must(os.Remove(r.path(doc))); r.must(os.Mkdir(r.path(doc), 0o755)) }, found{miss: "its file was removed"}},
		"metadata cut":       {func(r *rig) { r.must(os.Truncate(r.path(meta), 20)) }, found{miss: "damaged"}},
		"metadata empty":     {func(r *rig) { r.must(os.Truncate(r.path(meta), 0)) }, found{miss: "damaged"}},
		"metadata of binary": {func(r *rig) { r.write(meta, "\x00\xff") }, found{miss: "damaged"}},
		"metadata of others": {func(r *rig) {
			r.put("/b.tgz", "body")
			data, err := os.ReadFile(r.path(metaDir + "/registry.example/b.tgz" + metaExt))
			r.must(err)
			r.write(meta, string(data))
		}, found{miss: "/b.tgz"}},
		"metadata removed": {func(r *rig) { r.must(os.Remove(r.path(meta))) }, found{status: 200, body: "body", own: true}},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			r.put("/a.tgz", "body")
			c.damage(r)
			r.want("/a.tgz", c.want)
			// It is mended by fetching again.
			r.put("/a.tgz", "again")
			r.want("/a.tgz", found{status: 200, body: "again"})
		})
	}
}

// age moves a file's time.
func (r *rig) age(name string, by time.Duration) {
	r.t.Helper()
	fi, err := os.Stat(r.path(name))
	r.must(err)
	r.must(os.Chtimes(r.path(name), time.Time{}, fi.ModTime().Add(by)))
}

// keepTime does something to a file that leaves its time.
func (r *rig) keepTime(name string, change func()) {
	r.t.Helper()
	fi, err := os.Stat(r.path(name))
	r.must(err)
	change()
	r.must(os.Chtimes(r.path(name), time.Time{}, fi.ModTime()))
}

// The digest of a touched file is taken once.
func TestRestoredTimes(t *testing.T) {
	r := newRig(t)
	r.put("/a.tgz", "body")
	r.age(doc, -time.Hour)
	r.want("/a.tgz", found{status: 200, body: "body"})
	m, err := r.readMeta(key("/a.tgz"), "")
	r.must(err)
	if fi, err := os.Stat(r.path(doc)); err != nil || !m.ModTime.Equal(fi.ModTime()) {
		t.Errorf("the metadata still says %v, %v", m.ModTime, err)
	}
}

func TestOwnFiles(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ name, target, kind string }{
		{doc, "/a.tgz", ""},
		{"registry.example/simple/a/index.html", "/simple/a/", "text/html; charset=utf-8"},
		{"registry.example/data.json?q=1", "/data.json?q=1", "application/json"},
		{"registry.example/plain", "/plain", "application/octet-stream"},
		{"registry.example/both/%self", "/both", "application/octet-stream"},
	} {
		r.write(c.name, "mine")
		r.want(c.target, found{status: 200, body: "mine", own: true})
		e, err := r.Get(key(c.target), "")
		r.must(err)
		if kind := e.Header.Get("Content-Type"); c.kind != "" && kind != c.kind {
			t.Errorf("%s is served as %q, want %q", c.name, kind, c.kind)
		}
		if e.Header.Get("ETag") == "" || e.Header.Get("Last-Modified") == "" || e.URL != key(c.target).URL("https") {
			t.Errorf("%s is served with %+v", c.name, e.Meta)
		}
		tag := e.Header.Get("ETag")
		e.Close()
		r.age(c.name, time.Second)
		if e, err = r.Get(key(c.target), ""); err == nil {
			if e.Header.Get("ETag") == tag {
				t.Errorf("%s changed and has the tag it had", c.name)
			}
			e.Close()
		}
	}
	if !r.HasHost("registry.example") || r.HasHost("other.example") || r.HasHost("registry.example:8443") {
		t.Error("the hosts are others")
	}
	if !r.Index(key("/simple/a")) || r.Index(key("/simple/a/")) || r.Index(key("/simple/b")) || r.Index(key("/simple/a?x")) {
		t.Error("the folders with an index are others")
	}
	if _, err := os.Stat(r.path(metaDir + "/registry.example")); err == nil {
		t.Error("looking at own files wrote metadata")
	}
}

func TestStatusLinks(t *testing.T) {
	r := newRig(t)
	r.putStatus("/gone", 404, "no such thing")
	r.want("/gone", found{status: 404, body: "no such thing"})
	if target, err := os.Readlink(r.path("registry.example/gone")); err != nil || target != "404" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	for target, want := range map[string]found{
		"301": {status: 301, own: true}, "451": {status: 451, own: true}, "599": {status: 599, own: true},
		"200": {miss: "no status code"}, "600": {miss: "no status code"}, "0404": {miss: "no status code"},
		"404 ": {miss: "no status code"}, "nowhere": {miss: "no status code"}, "-404": {miss: "no status code"},
	} {
		r.must(os.RemoveAll(r.path("registry.example/link")))
		r.must(os.Symlink(target, r.path("registry.example/link")))
		r.want("/link", want)
	}
	// A user's other code counts more than the metadata of the first.
	r.must(os.Remove(r.path("registry.example/gone")))
	r.must(os.Symlink("410", r.path("registry.example/gone")))
	r.want("/gone", found{status: 410, own: true})
	r.put("/gone", "here again")
	r.want("/gone", found{status: 200, body: "here again"})
	r.putStatus("/gone", 404, strings.Repeat("x", MaxStatusBody+1))
	r.want("/gone", found{status: 404, body: strings.Repeat("x", MaxStatusBody)})
	r.clean()
}

// A link to 404 must not lead to a document of that name.
func TestStatusNames(t *testing.T) {
	r := newRig(t)
	r.putStatus("/gone", 404, "no")
	r.putStatus("/same", 404, "page")
	r.put("/404", "page")
	r.put("/301/x", "below")
	r.putStatus("/moved", 301, "")
	r.putStatus("/500", 404, "itself")
	r.want("/gone", found{status: 404, body: "no"})
	r.want("/same", found{status: 404, body: "page"})
	r.want("/404", found{status: 200, body: "page"})
	r.want("/moved", found{status: 301})
	r.want("/moved/x", found{miss: "not in the cache"})
	r.want("/500", found{status: 404, body: "itself"})
	r.write("registry.example/404", "a user's, which is the name of no URL")
	r.want("/gone", found{status: 404, body: "no"})
	r.want("/404", found{status: 200, body: "page"})
}

func TestReadOnly(t *testing.T) {
	w := newRig(t)
	w.put("/a.tgz", "body")
	w.age(doc, time.Hour)
	before, err := os.ReadFile(w.path(metaDir + "/" + doc + metaExt))
	w.must(err)
	r := &rig{openDir(t, w.dir, true), t, w.dir}
	r.want("/a.tgz", found{status: 200, body: "body"})
	k := key("/a.tgz")
	_, create := r.Create()
	for what, err := range map[string]error{
		"Create": create, "PutStatus": r.PutStatus(k, "", metaOf(k, 404)), "Remove": r.Remove(k, ""), "Touch": r.Touch(k, "", *metaOf(k, 200)),
	} {
		if err != ErrReadOnly {
			t.Errorf("%s: %v", what, err)
		}
	}
	l, err := r.Lock(t.Context(), k, "")
	r.must(err)
	l.Unlock()
	r.NoteName("gone.example", false)
	after, err := os.ReadFile(w.path(metaDir + "/" + doc + metaExt))
	if err != nil || string(after) != string(before) || !r.ReadOnly() || r.Absent("gone.example") {
		t.Errorf("something was written: %v", err)
	}
	if _, err := Open(t.TempDir()+"/missing", true); err == nil {
		t.Error("a missing directory was made for reading")
	}
}

func TestTouch(t *testing.T) {
	r := newRig(t)
	r.put("/a.tgz", "body")
	e, err := r.Get(key("/a.tgz"), "")
	r.must(err)
	e.Close()
	m := e.Meta
	m.Header = http.Header{"Etag": {`"y"`}}
	r.must(r.Touch(key("/a.tgz"), "", m))
	e, err = r.Get(key("/a.tgz"), "")
	r.must(err)
	defer e.Close()
	if e.Header.Get("Etag") != `"y"` || e.Own {
		t.Errorf("after Touch: %+v", e.Meta)
	}
	r.write(doc, "edited")
	if err := r.Touch(key("/a.tgz"), "", m); err == nil {
		t.Error("the metadata of an edited file is replaced")
	}
	r.want("/a.tgz", found{status: 200, body: "edited", own: true})
	r.must(os.Remove(r.path(doc)))
	if err := r.Touch(key("/a.tgz"), "", m); err == nil {
		t.Error("the metadata of a removed file is replaced")
	}
}

func TestNamesAndSalt(t *testing.T) {
	r := newRig(t)
	for _, host := range []string{"gone.example", `odd\000.example`, "..", strings.Repeat("a.", 99)} {
		if r.Absent(host) {
			t.Errorf("%q is absent before it was asked for", host)
		}
		r.NoteName(host, false)
		if again := openDir(t, r.dir, false); !again.Absent(host) {
			t.Errorf("%q is forgotten", host)
		}
		r.NoteName(host, true)
		if r.Absent(host) {
			t.Errorf("%q is still absent", host)
		}
	}
	r.NoteName(strings.Repeat("a", 300), false) // too long to note, and no harm
	h := r.Hash("s3cret")
	if again := openDir(t, r.dir, true); again.Hash("s3cret") != h {
		t.Error("the same directory names a secret otherwise")
	}
	other := newRig(t).Hash("s3cret")
	if h == other || h == r.Hash("s3cret2") || strings.Contains(h, "s3cret") || len(h) != 16 {
		t.Errorf("hashes %s and %s", h, other)
	}
	fi, err := os.Stat(r.path(saltName))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the salt: %v, %v", fi, err)
	}
	r.must(os.Truncate(r.path(saltName), 3))
	mended := openDir(t, r.dir, false).Hash("s3cret")
	if mended == h || openDir(t, r.dir, false).Hash("s3cret") != mended {
		t.Error("a damaged salt is not replaced once")
	}
}
