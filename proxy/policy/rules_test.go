package policy

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

func rule(t *testing.T, glob string, r Rule) Rule {
	t.Helper()
	var err error
	if r.URL, err = ParseGlob(glob, asIs); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRulesMerge(t *testing.T) {
	hour, day := time.Hour, 24*time.Hour
	rules := Rules{
		rule(t, "registry.example/a/*", Rule{Place: "f:1", Life: &hour, Header: []Field{{"X-Token", "A", "1"}}}),
		rule(t, "registry.example", Rule{Place: "f:2", Mode: Forever, DropQuery: []string{"cb"}, Header: []Field{{"X-Token", "B", "2"}, {"X-Other", "C", "3"}, {"X-None", "N", ""}}}),
		rule(t, "*", Rule{Place: "f:3", Life: &day, DropQuery: []string{"x"}, Pass: true}),
		rule(t, "http://registry.example", Rule{Place: "f:4", Mode: RFC9111}),
	}
	r := rules.For("https", "registry.example", "/a/b")
	if r.Life != &hour || r.Mode != "" || !r.Pass || r.DropQuery[0] != "cb" || r.Reason != "rules f:1, f:2 ($N is not set), f:3" {
		t.Errorf("%+v", r)
	}
	if len(r.Header) != 2 || r.Header[0].Value != "1" || r.Header[1].Value != "3" {
		t.Errorf("header %v", r.Header)
	}
	// The request's own fields come first, and http gets none.
	if m := r.Missing(http.Header{"X-Token": {"mine"}}); len(m) != 1 || m[0].Name != "X-Other" {
		t.Errorf("missing %v", m)
	}
	if r := rules.For("http", "registry.example", "/a/b"); r.Header != nil || r.Reason != "rules f:1, f:2, f:3, f:4" {
		t.Errorf("http: %+v", r)
	}
	if r := rules.For("https", "other.example", "/a/b"); r.Life != &day || r.Reason != "rule f:3" {
		t.Errorf("%+v", r)
	}
	if r := rules[:2].For("https", "other.example", "/a/b"); r.Reason != "" || r.Life != nil {
		t.Errorf("%+v", r)
	}
}

func TestWithoutQuery(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"https://a.example/x?cb=1&y=2", "https://a.example/x?y=2"},
		{"https://a.example/x?cb", "https://a.example/x"},
		{"https://a.example/x?%63b=1&utm_source=2&UTM_x=3", "https://a.example/x?UTM_x=3"},
		{"https://a.example/x?y=cb&&cbx=1", "https://a.example/x?y=cb&&cbx=1"},
		{"https://a.example/x?", "https://a.example/x?"},
		{"https://a.example/x?b=%zz&a=1&cb=%zz", "https://a.example/x?b=%zz&a=1"},
	} {
		u, err := url.Parse(c.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := WithoutQuery(u, []string{"cb", "utm_*"}).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
	}
}

func TestTermsLifetime(t *testing.T) {
	hour, none := time.Hour, time.Duration(0)
	u := at(t, "/a-1.0.0.tgz")
	a := Answer{URL: u, Status: 200, Header: http.Header{"Cache-Control": {"no-store, max-age=1"}}, Received: noon, Requested: noon}
	asksAnew := http.Header{"Cache-Control": {"no-cache"}}
	for _, c := range []struct {
		life  *time.Duration
		after time.Duration
		fresh bool
	}{
		{&hour, 59 * time.Minute, true}, {&hour, time.Hour, false}, {&none, 0, false}, {&hour, -time.Hour, false}, {nil, 1000 * time.Hour, true},
	} {
		use := Terms{Mode: Artifacts, Life: c.life}.Judge(asksAnew, a, noon.Add(c.after))
		if use.Fresh != c.fresh || !c.fresh && !use.Standby {
			t.Errorf("%v after %v: %+v", c.life, c.after, use)
		}
	}
	// An error is judged as without, and so is what a request has changed.
	a.Status, a.Header = 404, nil
	if (Terms{Mode: Artifacts, Life: &hour}).Judge(nil, a, noon.Add(30*time.Minute)).Fresh {
		t.Error("a 404 for an hour")
	}
	a.Status, a.Invalid = 200, true
	if (Terms{Mode: Artifacts, Life: &hour}).Judge(nil, a, noon).Fresh {
		t.Error("an invalid answer is fresh")
	}
}

func TestTermsStorable(t *testing.T) {
	hour, none := time.Hour, time.Duration(0)
	noStore, index := http.Header{"Cache-Control": {"no-store"}}, at(t, "/index")
	for _, m := range []Mode{Artifacts, RFC9111} {
		if keep := (Terms{Mode: m, Life: &hour}).Storable(nil, index, 200, noStore); !keep.OK {
			t.Errorf("%s: %v", m, keep)
		}
		for _, terms := range []Terms{{Mode: m}, {Mode: m, Life: &none}} {
			if keep := terms.Storable(nil, index, 200, noStore); keep.OK {
				t.Errorf("%+v: %v", terms, keep)
			}
		}
		if keep := (Terms{Mode: m, Life: &hour}).Storable(nil, index, 200, http.Header{"Vary": {"*"}}); keep.OK {
			t.Errorf("%s keeps Vary: *", m)
		}
		if keep := (Terms{Mode: m, Life: &hour}).Storable(nil, index, 500, nil); keep.OK && m != RFC9111 {
			t.Errorf("%s keeps a 500", m)
		}
	}
	// RFC 9111 section 3.5, of credentials that a rule adds.
	fresh := http.Header{"Cache-Control": {"max-age=60"}}
	if keep := (Terms{Mode: RFC9111, Credentials: true}).Storable(nil, index, 200, fresh); keep.OK {
		t.Error("an answer to credentials is kept")
	}
	if keep := (Terms{Mode: RFC9111}).Storable(nil, index, 200, fresh); !keep.OK {
		t.Error(keep.Reason)
	}
}
