package policy

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
)

func TestRepresentation(t *testing.T) {
	const (
		short = "application/vnd.npm.install-v1+json"
		json1 = "application/vnd.pypi.simple.v1+json"
		html1 = "application/vnd.pypi.simple.v1+html"
	)
	for _, c := range []struct{ path, field, want string }{
		{"/a", "", ""},
		{"/a", "Accept: */*", ""},
		{"/a", "Accept: application/json", ""},
		{"/a", "Accept: " + short + "; q=1.0, application/json; q=0.8, */*", "npm.install-v1"},
		{"/a", "Accept: application/json; q=0.8, " + short, "npm.install-v1"},
		{"/a", "Accept: APPLICATION/vnd.npm.install-v1+json", "npm.install-v1"},
		{"/a", "Accept: application/json, " + short + ";q=0.9", ""},
		{"/a/-/a-1.0.0.tgz", "Accept: " + short, ""},
		{"/simple/a/", "Accept: " + json1 + ", " + html1 + "; q=0.1, text/html; q=0.01", "pypi.simple.v1"},
		{"/simple/a/", "Accept: text/html;q=0.01," + html1 + ";q=0.2," + json1 + ";q=0.9", "pypi.simple.v1"},
		{"/simple/a/", "Accept: " + html1 + ", " + json1 + ";q=0.5", ""},
		{"/simple/a/", "Accept: text/html", ""},
		{"/o/r.git/info/refs", "Git-Protocol: version=2", "git-version=2"},
		{"/o/r.git/info/refs", "Git-Protocol: version=2:x", "git-version=2,x"},
		{"/o/r.git/info/refs", "Accept: */*", ""},
		{"/a", "Git-Protocol: version=2", ""},
		{"/v2/a/manifests/sha256:" + sha256hex, "Accept: a/b", ""},
		{"/v2/a/blobs/x", "Accept: a/b", ""},
	} {
		req := http.Header{}
		if c.field != "" {
			req = header(c.field)
		}
		if got := Representation(at(t, c.path), req); got != c.want {
			t.Errorf("%s with %q: %q, want %q", c.path, c.field, got, c.want)
		}
	}
}

// A manifest is chosen by the set of types that a client takes.
func TestManifestTypes(t *testing.T) {
	u := at(t, "/v2/library/a/manifests/latest")
	base := Representation(u, header("Accept: a/x, a/y, */*"))
	if base == "" {
		t.Fatal("manifests of all types are one")
	}
	for _, same := range []http.Header{
		header("Accept: */*, a/y, a/x"),
		header("Accept: a/y", "Accept: a/x", "Accept: */*"),
		header("Accept: a/y;q=0.5,A/X , */*;q=0.1"),
		header("Accept: a/x, a/y, */*, a/x"),
		header("Accept: ,a/x,, a/y, */*"),
	} {
		if got := Representation(u, same); got != base {
			t.Errorf("%v is another set: %s, %s", same, got, base)
		}
	}
	for _, other := range []http.Header{header("Accept: a/x, a/y"), header("Accept: */*"), header("Accept: a/x, a/y, a/z, */*"), {}} {
		if got := Representation(u, other); got == base {
			t.Errorf("%v is the same set", other)
		}
	}
}

func TestSelecting(t *testing.T) {
	answer := header("Vary: Origin, accept ,Accept-Encoding", "Vary: ACCEPT, User-Agent,, Accept-Language",
		"Vary: Authorization, Cookie, Proxy-Authorization, Private-Token, X-Api-Key, X-JFrog-Art-Api, X-Auth-Token, *")
	names := Artifacts.Selecting(answer)
	if want := []string{"accept", "accept-language", "origin"}; !slices.Equal(names, want) {
		t.Errorf("selected by %q, want %q", names, want)
	}
	if Artifacts.Selecting(header("Vary: Accept-Encoding")) != nil || Selected(nil, header("Accept: a")) != nil {
		t.Error("an encoding selects")
	}
	one := Selected(names, header("Accept: a/b,  c/d", "Accept-Language: en", "X-Api-Key: s3cret"))
	want := map[string]string{"accept": "a/b, c/d", "accept-language": "en;q=1", "origin": ""}
	if fmt.Sprint(one) != fmt.Sprint(want) {
		t.Errorf("selected %v, want %v", one, want)
	}
	if two := Selected(names, header("Accept: a/b", "Accept: c/d", "Accept-Language: en")); VaryLabel(two) != VaryLabel(one) {
		t.Error("a list in two lines is another one")
	}
	if other := Selected(names, header("Accept: a/b", "Accept-Language: en")); VaryLabel(other) == VaryLabel(one) {
		t.Error("two selections have one label")
	}
}

func TestUnsigned(t *testing.T) {
	for query, want := range map[string]string{
		"":                 "",
		"a=1&b=2":          "a=1&b=2",
		"b=%7E&a&&c=":      "b=%7E&a&&c=",
		"version=2&name=x": "version=2&name=x",
		"expires=1":        "expires=1", // no signature beside it
		"se=1&sv=2":        "se=1&sv=2",
		"policy=x":         "policy=x",
		"X-Amz-Algorithm=A&X-Amz-Credential=k&X-Amz-Date=d&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=s" +
			"&X-Amz-Security-Token=t&x-id=GetObject&response-content-disposition=f&versionId=3&partNumber=1": "versionId=3&partNumber=1",
		"x-amz-signature=s&a=1":                        "a=1",
		"X%2DAmz%2DSignature=s&a=1":                    "a=1",
		"X-Goog-Algorithm=A&X-Goog-Signature=s&alt=m":  "alt=m",
		"AWSAccessKeyId=k&Expires=1&Signature=s&a=1":   "a=1",
		"GoogleAccessId=k&Expires=1&Signature=s":       "",
		"Expires=1&Policy=p&Signature=s&Key-Pair-Id=k": "",
		"sp=r&sv=1&spr=https&se=2&rscd=x&skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=5&sr=b&st=1&sig=s&comp=block": "comp=block",
		"token=t&expires=1&a=1":            "a=1",
		"access_token=t&jwt=j&api_key=k":   "",
		"X-Xet-Cas-Uid=u&a=1":              "a=1",
		"hdnea=x&a=1":                      "a=1",
		"verify=1-x&a=1":                   "a=1",
		"a=1&sig=s&a=2":                    "a=1&a=2",
		"service=git-upload-pack&scope=x":  "service=git-upload-pack&scope=x",
		"tokens=1&signatures=2&sigs=3&v=4": "tokens=1&signatures=2&sigs=3&v=4",
	} {
		u := &url.URL{Scheme: "https", Host: "registry.example", Path: "/a", RawQuery: query}
		got := Unsigned(u)
		if got.RawQuery != want || IsSigned(u) != (query != want) || IsSigned(got) {
			t.Errorf("%q is %q without signature, want %q", query, got.RawQuery, want)
		}
		if (got == u) != (query == want) || u.RawQuery != query {
			t.Errorf("%q: a copy where none is needed, or none where one is", query)
		}
	}
	secret := &url.URL{Scheme: "https", User: url.UserPassword("u", "s3cret"), Host: "registry.example", Path: "/a"}
	if got := Unsigned(secret).String(); got != "https://registry.example/a" || secret.User == nil {
		t.Errorf("a password: %s", got)
	}
}
