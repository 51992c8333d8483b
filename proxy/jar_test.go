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
