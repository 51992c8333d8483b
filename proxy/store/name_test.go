package store

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ url, variant, name string }{
		{"https://registry.example/a/-/a-1.0.0.tgz", "", "registry.example/a/-/a-1.0.0.tgz"},
		{"https://REGISTRY.example:443/a", "", "registry.example/a"},
		{"http://registry.example:80/a", "", "registry.example/a"},
		{"https://registry.example:8443/a", "", "registry.example:8443/a"},
		{"http://[::1]:8080/a", "", "[::1]:8080/a"},
		{"https://registry.example", "", "registry.example/index.html"},
		{"https://registry.example/", "", "registry.example/index.html"},
		{"https://registry.example/index.html", "", "registry.example/%_69ndex.html"},
		{"https://registry.example/simple/a/", "", "registry.example/simple/a/index.html"},
		{"https://registry.example/simple/?x=1", "", "registry.example/simple/index.html?x=1"},
		{"https://registry.example/@s%2fa", "", "registry.example/@s%2fa"},
		{"https://registry.example/@s%2Fa", "", "registry.example/@s%2Fa"},
		{"https://registry.example/a//b", "", "registry.example/a/%_/b"},
		{"https://registry.example/../a/./b", "", "registry.example/%_2E./a/%_2E/b"},
		{"https://registry.example/%2e%2e/a", "", "registry.example/%2e%2e/a"},
		{"https://registry.example/a?b=c/d&e=100%", "", "registry.example/a?b=c%_2Fd&e=100%_25"},
		{"https://registry.example/a?", "", "registry.example/a?"},
		{"https://registry.example/a", "npm.install-v1", "registry.example/a%~npm.install-v1"},
		{"https://registry.example/404", "", "registry.example/%_3404"},
		{"https://registry.example/404/a", "", "registry.example/%_3404/a"},
		{"https://registry.example/301?a", "", "registry.example/%_3301?a"},
		{"https://registry.example/200/4040/600/40", "", "registry.example/200/4040/600/40"},
		{"https://.cachex/a", "", "%_2Ecachex/a"},
		{"https://../a", "", "%_2E./a"},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		k := KeyOf(u)
		if got := k.Name(c.variant); got != c.name {
			t.Errorf("%s %q: name %q, want %q", c.url, c.variant, got, c.name)
		}
		checkInverse(t, k, c.variant)
	}
}

func checkInverse(t *testing.T, k Key, variant string) {
	t.Helper()
	name := k.Name(variant)
	for _, part := range strings.Split(name, "/") {
		if part == "" || part == "." || part == ".." || len(part) > 255 || isStatus(part) || strings.ContainsRune(part, 0) {
			t.Errorf("%+v: part %q of %q cannot be a file's name", k, part, name)
		}
	}
	if path.Clean(name) != name || strings.HasPrefix(name, private) {
		t.Errorf("%+v: name %q leads elsewhere", k, name)
	}
	back, v, err := ParseName(name)
	if err != nil || back != k || v != variant {
		t.Errorf("%+v %q: %q reads back as %+v %q, %v", k, variant, name, back, v, err)
	}
	if self, v, err := ParseName(name + "/" + selfName); err != nil || self != k || v != variant {
		t.Errorf("%+v: the document in its folder reads back as %+v, %v", k, self, err)
	}
}

func TestLongNames(t *testing.T) {
	for n := range 900 {
		for _, rest := range []string{"", ".", "..", "404", "%2F", "%2F%2F", "é"} {
			checkInverse(t, Key{Host: "registry.example", Target: "/" + strings.Repeat("x", n) + rest}, "")
			checkInverse(t, Key{Host: "registry.example", Target: "/a?" + strings.Repeat("%2F/", n%200) + rest}, "v")
		}
	}
}

func TestNotNames(t *testing.T) {
	for _, name := range []string{
		"", "a", ".cachex/meta/x", "h/a%", "h/a%_", "h/a%_4", "h/%_61", "h/..", "h/./a", "h//a", "h/a%+", "h/a%zz",
		"H/a/%self/%self", "h/404", "h/404/a", "h/index.html/%_69ndex.html/..",
	} {
		if k, v, err := ParseName(name); err == nil {
			t.Errorf("%q is read as %+v %q", name, k, v)
		}
	}
}

// FuzzURL holds the promise that URL -> name -> URL is exact and that a name
// never leaves the directory.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"/", "/a/b?c", "/%2e%2E/", "/a%2Fb", "//..//", "/é\xff", "/?%", "/a?%_41", "/x%~y", "/404/301"} {
		f.Add("registry.example", s, "")
		f.Add("[::1]:8443", s, "auth-0123")
	}
	f.Fuzz(func(t *testing.T, host, target, variant string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") || host == "" {
			return
		}
		u.Scheme, u.Host = "https", host
		if u.Hostname() == "" {
			return // a port alone is no host: no request for it gets here
		}
		checkInverse(t, KeyOf(u), variant)
	})
}

// FuzzName holds the promise for names that people make: what is read as a URL
// is written as that name again.
func FuzzName(f *testing.F) {
	for _, s := range []string{"h/a", "h/index.html", "h/a?b%_2Fc", "h/a%~v", "h/a/%self", "h/%_", "h/%_2E.", "h/404", "h/%_3404", ".h/a", "h/a/../b", "h\\/a", "h/a//b", "h/a\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		k, v, err := ParseName(name)
		if k2, v2, err2 := parseName(name); k2 != k || v2 != v || (err2 == nil) != (err == nil) {
			t.Errorf("%q is read as %+v %q %v, and taken apart as %+v %q %v", name, k, v, err, k2, v2, err2)
		}
		if err != nil {
			return
		}
		if got := k.Name(v); got != strings.TrimSuffix(name, "/"+selfName) {
			t.Errorf("%q is read as %+v %q, which is written %q", name, k, v, got)
		}
	})
}

// A name with thousands of folders is refused before any of them is made.
func TestDeepNames(t *testing.T) {
	r := newRig(t)
	for folders, want := range map[int]bool{maxFolders - 1: true, maxFolders: false, 50 * maxFolders: false} {
		target := strings.Repeat("/n", folders) + "/x" // below the host's
		if err := commit(r.Store, target, "body"); (err == nil) != want {
			t.Errorf("%d folders: %v", folders, err)
		}
		if err := r.PutStatus(key(target+"s"), "", metaOf(key(target+"s"), 404)); (err == nil) != want {
			t.Errorf("%d folders, an error: %v", folders, err)
		}
	}
	r.clean()
}
