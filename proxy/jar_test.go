package proxy

import (
	"fmt"
	"net/http"
	"testing"
)

// TestCookiesOfLoadBalancers: a cookie that anybody is given makes nobody's
// artifact a miss; one that a log-in gives, or that the client brings, does.
func TestCookiesOfLoadBalancers(t *testing.T) {
	n := 0
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n++
		w.Header().Add("Set-Cookie", fmt.Sprintf("LB=%d; Path=/", n))
		fmt.Fprint(w, "bytes for "+req.Header.Get("Cookie"))
	}), rigOptions{})
	const a, b = host + "/a/a/1.0/a-1.0.jar", host + "/b/b/1.0/b-1.0.jar"
	r.want(r.get(a), 200, "bytes for ", Miss)
	r.want(r.get(b, "Cookie", "LB=1"), 200, "bytes for LB=1", Miss)
	r.want(r.get(b), 200, "bytes for LB=1", Hit)
	r.want(r.get(b, "Cookie", "LB=2"), 200, "bytes for LB=1", Hit)
	// What a URL that names no version gives to a cookie is not shared.
	r.want(r.get(host+"/index", "Cookie", "LB=1"), 200, "bytes for LB=1", Miss)
	r.want(r.get(host+"/index"), 200, "bytes for ", Miss)
	// Nor what a cookie gets that the client has brought.
	r.want(r.get(b, "Cookie", "LB=2; session=1"), 200, "bytes for LB=2; session=1", Miss)
	// After a request that writes, the cookie may be somebody's.
	r.do(http.MethodPost, host+"/login", "user=me")
	r.last()
	r.want(r.get(b, "Cookie", "LB=1"), 200, "bytes for LB=1", Miss)
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	off.want(off.get(a), 200, "bytes for ", Hit)
	off.want(off.get(b), 200, "bytes for LB=1", Hit)
}

// TestRedirectForACookie: a server that sends everybody back to where they are,
// with a cookie, makes no loop of what is kept.
func TestRedirectForACookie(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Cookie") == "" {
			w.Header().Set("Set-Cookie", "seen=1")
			http.Redirect(w, req, req.URL.Path, http.StatusFound)
			return
		}
		fmt.Fprint(w, "content")
	}), rigOptions{})
	const u = host + "/a-1.0.0.tgz"
	for range 2 {
		a := r.get(u)
		r.last() // each record is waited for, or it passes for the next one
		if a.StatusCode == http.StatusFound && a.Header.Get("Set-Cookie") != "" {
			a = r.get(u, "Cookie", "seen=1")
			r.last()
			if a.body != "content" {
				t.Errorf("%d %q", a.StatusCode, a.body)
			}
		}
	}
	r.want(r.get(u), 200, "content", Hit)
	// Two that lead to one another.
	loop := r.again(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		to := map[string]string{"/b-1.0.0.tgz": "/c-1.0.0.tgz", "/c-1.0.0.tgz": "/b-1.0.0.tgz"}[req.URL.Path]
		http.Redirect(w, req, to, http.StatusFound)
	}), rigOptions{})
	for _, name := range []string{"/b-1.0.0.tgz", "/c-1.0.0.tgz", "/b-1.0.0.tgz"} {
		loop.get(host + name)
		loop.wantOutcome(Miss)
	}
}

// TestRedirectToNowhere: a redirect without a Location is an answer like others.
func TestRedirectToNowhere(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}), rigOptions{mode: "rfc9111"})
	r.want(r.get(host+"/x"), 307, "", Miss)
	r.want(r.get(host+"/x"), 307, "", Hit)
}

// TestLogInByForm: a log-in has the shape of a request for a token, and the
// session that anybody was given is somebody's after it.
func TestLogInByForm(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost {
			fmt.Fprint(w, "welcome")
			return
		}
		w.Header().Set("Set-Cookie", "session=1")
		fmt.Fprint(w, "bytes for "+req.Header.Get("Cookie"))
	}), rigOptions{})
	const a, b = host + "/a/a/1.0/a-1.0.jar", host + "/b/b/1.0/b-1.0.jar"
	r.want(r.get(a), 200, "bytes for ", Miss)
	r.do(http.MethodPost, host+"/auth", "user=me&password=x", "Content-Type", "application/x-www-form-urlencoded")
	r.last()
	r.want(r.get(b, "Cookie", "session=1"), 200, "bytes for session=1", Miss)
	r.want(r.get(b), 200, "bytes for ", Miss)
}
