package proxy

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

const ruleSecret = "s3cret-of-a-rule"

func ruleFor(t *testing.T, glob string, r policy.Rule) policy.Rule {
	t.Helper()
	var err error
	r.URL, err = policy.ParseGlob(glob, func(u *url.URL) (string, string) {
		k := store.KeyOf(policy.Unsigned(u))
		return k.Host, k.Target
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Place = "f:1"
	return r
}

// withField is a rule that adds a field to requests for a.example.
func withField(t *testing.T, name, value string) policy.Rules {
	t.Helper()
	return policy.Rules{ruleFor(t, "a.example", policy.Rule{Header: []policy.Field{{Name: name, Variable: "TOKEN", Value: value}}})}
}

// wantNowhere looks for a secret in all files below a directory, and their names.
func wantNowhere(t *testing.T, dir, secret string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(secret)) || strings.Contains(path, secret) {
			t.Errorf("%s has the secret", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files, %v", files, err)
	}
}

// A server that sends clients to the same document with a parameter that makes no
// difference is no circle.
func TestRuleDroppedParameterInRedirect(t *testing.T) {
	var n atomic.Int64
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			http.Redirect(w, r, fmt.Sprintf("/a-1.0.0.tgz?cb=%d", n.Add(1)), http.StatusFound)
			return
		}
		io.WriteString(w, "bytes")
	})
	rules := policy.Rules{ruleFor(t, "a.example", policy.Rule{DropQuery: []string{"cb"}})}
	r := newRig(t, origin, rigOptions{rules: rules})
	first := r.get("https://a.example/a-1.0.0.tgz")
	if first.err != nil || first.StatusCode != http.StatusFound {
		t.Fatalf("%+v", first)
	}
	r.wantOutcome(Pass)
	r.want(r.get("https://a.example"+first.Header.Get("Location")), 200, "bytes", Miss)
	r.want(r.get("https://a.example/a-1.0.0.tgz?cb=99"), 200, "bytes", Hit)
	r.want(r.get("https://a.example/a-1.0.0.tgz"), 200, "bytes", Hit)
	o := r.again(origin, rigOptions{rules: rules, offline: true})
	o.want(o.get("https://a.example/a-1.0.0.tgz?cb=1"), 200, "bytes", Hit)
	// Without the rule it is another document.
	o = o.again(origin, rigOptions{offline: true})
	o.want(o.get("https://a.example/a-1.0.0.tgz"), 200, "bytes", Hit)
	if a := o.get("https://a.example/a-1.0.0.tgz?cb=1"); a.StatusCode != http.StatusForbidden {
		t.Errorf("got %d", a.StatusCode)
	}
}

// What a rule adds is sent, and nowhere else; answers are for those who have it.
func TestRuleFieldIsCredentials(t *testing.T) {
	var got atomic.Pointer[http.Request]
	var failures atomic.Int64
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r)
		if r.URL.Path == "/flaky" && failures.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Vary", "X-Plain")
		w.Header().Set("Cache-Control", "max-age=3600")
		switch r.URL.Path {
		case "/missing":
			http.Error(w, "no such thing for "+r.Header.Get("X-Plain"), http.StatusNotFound)
		case "/moved":
			http.Redirect(w, r, "https://b.example/", http.StatusFound)
		default:
			io.WriteString(w, r.Method)
		}
	})
	r := newRig(t, origin, rigOptions{rules: withField(t, "X-Plain", ruleSecret)})
	sent := func(want string) {
		t.Helper()
		if v := got.Load().Header.Get("X-Plain"); v != want {
			t.Errorf("%s %s had %q", got.Load().Method, got.Load().URL, v)
		}
	}
	r.want(r.get("https://a.example/x"), 200, "GET", Miss)
	sent(ruleSecret)
	if x := r.get("https://a.example/x"); x.body != "GET" {
		t.Error(x.body)
	}
	if x := r.last(); x.Outcome != Hit || !strings.HasPrefix(x.Reason, "rule f:1: fresh") {
		t.Errorf("%+v", x)
	}
	r.want(r.get("https://a.example/flaky"), 200, "GET", Miss)
	sent(ruleSecret)
	r.want(r.do(http.MethodPost, "https://a.example/x", "b"), 200, "POST", Pass)
	sent(ruleSecret)
	r.want(r.get("https://b.example/x"), 200, "GET", Miss)
	sent("")
	r.want(r.get("http://a.example/y"), 200, "GET", Miss)
	sent("")
	r.want(r.get("https://a.example/x", "X-Plain", "own"), 200, "GET", Miss)
	sent("own")
	if a := r.get("https://a.example/missing"); a.StatusCode != http.StatusNotFound {
		t.Error(a.StatusCode)
	}
	sent(ruleSecret)
	if a := r.get("https://a.example/moved"); a.StatusCode != http.StatusFound {
		t.Error(a.StatusCode)
	}
	wantNowhere(t, r.dir, ruleSecret)

	// Another value, or none, gets nothing of it.
	for _, rules := range []policy.Rules{withField(t, "X-Plain", "another"), withField(t, "X-Plain", ""), nil} {
		r = r.again(origin, rigOptions{offline: true, rules: rules})
		for _, path := range []string{"/flaky", "/moved", "/missing"} {
			if a := r.get("https://a.example" + path); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
			}
		}
	}
	r = r.again(origin, rigOptions{offline: true, rules: withField(t, "X-Plain", ruleSecret)})
	r.want(r.get("https://a.example/flaky"), 200, "GET", Hit)
}

// RFC 9111 section 3.5 is about what the server saw.
func TestRuleFieldByRFC9111(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		io.WriteString(w, "x")
	})
	r := newRig(t, origin, rigOptions{mode: policy.RFC9111, rules: withField(t, "Authorization", "Bearer "+ruleSecret)})
	r.want(r.get("https://a.example/x"), 200, "x", Pass)
	r.want(r.get("https://b.example/x"), 200, "x", Miss)
	// A rule may have it otherwise.
	rules := append(withField(t, "Authorization", "Bearer "+ruleSecret), ruleFor(t, "a.example", policy.Rule{Mode: policy.Artifacts}))
	r = r.again(origin, rigOptions{mode: policy.RFC9111, rules: rules})
	r.want(r.get("https://a.example/x"), 200, "x", Miss)
	r.want(r.get("https://a.example/x"), 200, "x", Hit)
}

// A token that a rule's credentials have brought is not one for everybody.
func TestRuleFieldBringsToken(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token" && r.Header.Get("Authorization") != "":
			io.WriteString(w, `{"token":"private"}`)
		case r.URL.Path == "/token":
			io.WriteString(w, `{"token":"public"}`)
		default:
			w.Header().Set("Cache-Control", "max-age=3600")
			io.WriteString(w, "for "+r.Header.Get("Authorization"))
		}
	})
	const token, document = "https://a.example/token?service=s&scope=repository:x:pull", "https://b.example/v2/x/blobs/y"
	r := newRig(t, origin, rigOptions{rules: withField(t, "Authorization", "Basic "+ruleSecret)})
	r.want(r.get(token), 200, `{"token":"private"}`, Pass)
	r.want(r.get(document, "Authorization", "Bearer private"), 200, "for Bearer private", Miss)
	r = r.again(origin, rigOptions{})
	r.want(r.get(token), 200, `{"token":"public"}`, Pass)
	r.want(r.get(document, "Authorization", "Bearer public"), 200, "for Bearer public", Miss)
	wantNowhere(t, r.dir, ruleSecret)
}
