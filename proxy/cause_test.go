package proxy

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"cachex/proxy/policy"
)

// Every request that was not answered from the store says why, in one word.
func TestCauses(t *testing.T) {
	var content atomic.Value
	content.Store("one")
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "Text/Plain; charset=utf-8")
		switch req.URL.Path {
		case "/varies":
			w.Header().Set("Vary", "Accept-Language")
			w.Header().Set("Cache-Control", "max-age=600")
		case "/fresh":
			w.Header().Set("Cache-Control", "max-age=600")
		case "/secret":
			w.Header().Set("Cache-Control", "no-store")
		}
		io.WriteString(w, content.Load().(string))
	}), rigOptions{mode: policy.Artifacts})
	file := func(name string) string { return filepath.Join(r.dir, "registry.example", name) }
	const artifact = "/a/-/a-1.0.0.tgz"
	for _, step := range []struct {
		name    string
		do      func()
		url     string
		header  []string
		outcome Outcome
		cause   Cause
	}{
		{"first", nil, "/index", nil, Miss, CauseNew},
		{"stale, and the same", nil, "/index", nil, Miss, CauseUnchanged},
		{"stale, and newer", func() { content.Store("two") }, "/index", nil, Miss, CauseChanged},
		{"fresh", nil, "/fresh", nil, Miss, CauseNew},
		{"a hit has none", nil, "/fresh", nil, Hit, ""},
		{"asked for", nil, "/fresh", []string{"Cache-Control", "no-cache"}, Miss, CauseAsked},
		{"one language", nil, "/varies", []string{"Accept-Language", "en"}, Miss, CauseNew},
		{"another language", nil, "/varies", []string{"Accept-Language", "fr"}, Miss, CauseVariant},
		{"another form", nil, "/index", []string{"Accept", "application/vnd.npm.install-v1+json"}, Miss, CauseVariant},
		{"artifact", nil, artifact, nil, Miss, CauseNew},
		{"removed by hand", func() { r.must(os.Remove(file(artifact))) }, artifact, nil, Miss, CauseRemoved},
		{"cut", func() { r.cut(file(artifact)) }, artifact, nil, Miss, CauseDamaged},
		{"not to be kept", nil, "/secret", nil, Pass, CauseUncacheable},
	} {
		if step.do != nil {
			step.do()
		}
		if a := r.get(host+step.url, step.header...); a.err != nil || a.StatusCode != 200 {
			t.Fatalf("%s: %v", step.name, a.err)
		}
		x := r.last()
		if x.Outcome != step.outcome || x.Cause != step.cause {
			t.Errorf("%s: %s, cause %q (%s), want %s, %q", step.name, x.Outcome, x.Cause, x.Reason, step.outcome, step.cause)
		}
		if x.Type != "text/plain" {
			t.Errorf("%s: type %q", step.name, x.Type)
		}
		if fetched := x.Outcome != Hit; fetched != (x.Wait > 0) || x.Wait > x.Took {
			t.Errorf("%s: waited %s of %s", step.name, x.Wait, x.Took)
		}
	}
	r.do(http.MethodPost, host+"/index", "words")
	if x := r.last(); x.Outcome != Pass || x.Cause != CauseMethod {
		t.Errorf("POST: %s, %q", x.Outcome, x.Cause)
	}
	r.stop()
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	off.get(host + "/never")
	if x := off.last(); x.Outcome != Refused || x.Cause != CauseOffline || x.Type != "" {
		t.Errorf("offline: %s, %q, type %q", x.Outcome, x.Cause, x.Type)
	}
}

// cut takes the end off a file, and leaves its time.
func (r *rig) cut(name string) {
	r.t.Helper()
	fi, err := os.Stat(name)
	r.must(err)
	r.must(os.Truncate(name, 1))
	r.must(os.Chtimes(name, fi.ModTime(), fi.ModTime()))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}
