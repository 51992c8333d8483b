package mirror

import (
	"slices"
	"strings"
	"testing"
)

// seen makes a view of "PREFIX… : NAME=OID…", with a leading "!" for one that
// was fetched from, and "*" for all prefixes.
func seen(s string) seenView {
	s, fetched := strings.CutPrefix(s, "!")
	prefixes, refs, _ := strings.Cut(s, ":")
	v := seenView{fetched: fetched}
	for _, p := range strings.Fields(prefixes) {
		if p == "*" {
			v.All = true
		} else {
			v.Prefixes = append(v.Prefixes, p)
		}
	}
	for _, r := range strings.Fields(refs) {
		name, oid, _ := strings.Cut(r, "=")
		ref := Ref{Name: name, OID: oid}
		if name == "HEAD" {
			ref.Symref = "refs/heads/main"
		}
		v.Refs = append(v.Refs, ref)
	}
	return v
}

const (
	clone  = "HEAD refs/heads/ refs/tags/"
	topic  = "topic refs/topic refs/tags/topic refs/heads/topic refs/remotes/topic refs/remotes/topic/HEAD refs/tags/"
	pull1  = "pull/1/head refs/pull/1/head refs/tags/pull/1/head refs/heads/pull/1/head refs/remotes/pull/1/head refs/remotes/pull/1/head/HEAD"
	branch = "refs/heads/ refs/tags/"
)

func TestGenerations(t *testing.T) {
	for name, c := range map[string]struct {
		views []string
		asks  string
		want  string // "none" when it can't be told
	}{
		"the same":                {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1"}, clone, "HEAD=1 refs/heads/main=1"},
		"the newer":               {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1", "!" + clone + ": HEAD=2 refs/heads/main=2"}, clone, "HEAD=2 refs/heads/main=2"},
		"only looked at":          {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1", clone + ": HEAD=2 refs/heads/main=2"}, clone, "HEAD=1 refs/heads/main=1"},
		"looked at, the same":     {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1", "*: HEAD=1 refs/heads/main=1 refs/pull/1/head=3"}, "", "HEAD=1 refs/heads/main=1 refs/pull/1/head=3"},
		"branches of a clone":     {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1"}, "refs/heads/", "refs/heads/main=1"},
		"all of a clone":          {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1"}, "", "HEAD=1 refs/heads/main=1"},
		"a mirror of a clone":     {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1"}, "HEAD refs/", "HEAD=1 refs/heads/main=1"},
		"a short name":            {[]string{"!" + clone + ": refs/heads/topic=1 refs/heads/main=2"}, topic, "refs/heads/topic=1"},
		"a short name nobody has": {[]string{"!" + clone + ": refs/heads/main=2"}, topic, "none"},
		"another namespace":       {[]string{"!" + clone + ": refs/heads/main=2"}, pull1, "none"},
		"of the whole":            {[]string{"!*: refs/heads/main=2"}, pull1, ""},
		"too narrow":              {[]string{"!" + topic + ": refs/heads/topic=1"}, clone, "none"},
		"narrow and newer": {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1 refs/heads/topic=1", "!" + topic + ": refs/heads/topic=2"},
			clone, "HEAD=1 refs/heads/main=1 refs/heads/topic=1"},
		"the narrow one itself": {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1 refs/heads/topic=1", "!" + topic + ": refs/heads/topic=2"}, topic, "refs/heads/topic=2"},
		"two halves":            {[]string{"!refs/heads/: refs/heads/main=1", "refs/tags/: refs/tags/v=2"}, branch, "refs/heads/main=1 refs/tags/v=2"},
		"HEAD of before":        {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1", "!" + branch + ": refs/heads/main=2"}, clone, "HEAD=2 refs/heads/main=2"},
		"a deleted branch":      {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1 refs/heads/x=1", "!" + branch + ": refs/heads/main=1"}, "refs/heads/", "refs/heads/main=1"},
		"a new branch":          {[]string{"!" + clone + ": HEAD=1 refs/heads/main=1", "!" + branch + ": refs/heads/main=1 refs/heads/x=1"}, "refs/heads/", "refs/heads/main=1 refs/heads/x=1"},
		"nothing seen":          {nil, clone, "none"},
		"never fetched":         {[]string{clone + ": HEAD=1 refs/heads/main=1"}, clone, "none"},
		"an empty repository":   {[]string{"!" + clone + ":"}, clone, ""},
	} {
		var views []seenView
		for _, s := range c.views {
			views = append(views, seen(s))
		}
		got := "none"
		if g := newest(generations(views), true, strings.Fields(c.asks)); g != nil {
			var refs []string
			for _, r := range g.list(strings.Fields(c.asks)) {
				refs = append(refs, r.Name+"="+r.OID)
			}
			got = strings.Join(refs, " ")
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A view that says nothing new need not be kept, and only then.
func TestHolds(t *testing.T) {
	g := generations([]seenView{seen(clone + ": HEAD=1 refs/heads/main=1")})[0]
	for s, want := range map[string]bool{
		clone + ": HEAD=1 refs/heads/main=1":            true,
		"refs/heads/: refs/heads/main=1":                true,
		"refs/heads/main: refs/heads/main=1":            true,
		"refs/heads/: refs/heads/main=2":                false,
		"refs/heads/:":                                  false,
		"refs/heads/: refs/heads/main=1 refs/heads/x=1": false,
		"*: HEAD=1 refs/heads/main=1":                   false,
		"refs/pull/:":                                   false,
		clone + " refs/x/: HEAD=1 refs/heads/main=1":    false,
	} {
		v := seen(s).View
		if got := g.agrees(v) && g.holds(v); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
	if !slices.Equal(g.prefixes, strings.Fields(clone)) {
		t.Errorf("prefixes %q", g.prefixes)
	}
}
