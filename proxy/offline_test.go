package proxy

import (
	"net/http"
	"strings"
	"testing"
)

// TestOtherRepresentations: offline, what another version of a client has
// fetched stands in, if this one accepts it.
func TestOtherRepresentations(t *testing.T) {
	const short, json1 = "application/vnd.npm.install-v1+json", "application/vnd.pypi.simple.v1+json"
	const index, image = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		kind := "text/html"
		for _, k := range []string{short, json1, index} {
			if strings.Contains(req.Header.Get("Accept"), k) {
				kind = k
			}
		}
		if kind == "text/html" && strings.HasPrefix(req.URL.Path, "/npm/") {
			kind = "application/json"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Vary", "Accept, Accept-Encoding")
		w.Write([]byte(kind))
	}), rigOptions{})
	for _, c := range [][2]string{
		{"/npm/full", "application/json"}, {"/npm/short", short}, {"/simple/html/", "text/html"}, {"/simple/json/", json1},
		{"/v2/a/manifests/1", index + ", " + image}, {"/private", "text/html"},
	} {
		header := []string{"Accept", c[1]}
		if c[0] == "/private" {
			header = append(header, "Authorization", "Bearer x")
		}
		if a := r.get(host+c[0], header...); a.StatusCode != 200 {
			t.Fatal(a)
		}
	}
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	for _, c := range []struct {
		path, accept string
		want         string
	}{
		{"/npm/full", short + "; q=1.0, application/json; q=0.8, */*", "application/json"},
		{"/npm/full", short, ""},
		{"/npm/short", "application/json", ""}, // a short document is no full one
		{"/simple/html/", json1 + ", text/html; q=0.01", "text/html"},
		{"/simple/json/", "text/html", ""},
		{"/v2/a/manifests/1", index + ", " + image + ", application/vnd.docker.distribution.manifest.v2+json", index},
		{"/v2/a/manifests/1", image, ""},
		{"/private", "*/*", ""},
	} {
		a := off.get(host+c.path, "Accept", c.accept)
		if c.want == "" {
			off.want(a, 403, a.body, Refused)
			continue
		}
		off.want(a, 200, c.want, Hit)
	}
}
