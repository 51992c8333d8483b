package policy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestKeptStatus(t *testing.T) {
	keptOnes := []int{200, 301, 302, 303, 307, 308, 401, 403, 404, 405, 410, 451}
	for status := 100; status < 600; status++ {
		for _, path := range []string{"/simple/a/", "/a/-/a-1.0.0.tgz"} {
			for _, m := range []Mode{Artifacts, Forever} {
				keep := m.Storable(nil, at(t, path), status, nil)
				if keep.OK != slices.Contains(keptOnes, status) {
					t.Errorf("%s %s %d: %+v", m, path, status, keep)
				}
				if !keep.OK && !strings.Contains(keep.Reason, fmt.Sprint(status)) {
					t.Errorf("%s %s %d: the reason is %q", m, path, status, keep.Reason)
				}
			}
		}
	}
}

func TestStorable(t *testing.T) {
	const index, artifact = "/simple/a/", "/a/-/a-1.0.0.tgz"
	secret := "Authorization: Bearer s3cret"
	for _, c := range []struct {
		path, req, answer           string
		artifacts, forever, rfc9111 bool
	}{
		{index, "", "", true, true, true},
		{index, "", "Cache-Control: no-store", false, true, false},
		{index, "", "Cache-Control: max-age=60, No-Store", false, true, false},
		{artifact, "", "Cache-Control: no-store", true, true, false},
		{index, "Cache-Control: no-store", "", false, true, false},
		{artifact, "Cache-Control: no-store", "", true, true, false},
		{index, "", "Cache-Control: private", true, true, false},
		{index, secret, "Cache-Control: private", false, true, false},
		{index, "Cookie: a=b", "Cache-Control: private", false, true, false},
		{index, "Private-Token: x", `Cache-Control: private="x"`, false, true, false},
		{index, secret, "Cache-Control: public", true, true, true}, // under the user's own variant
		{artifact, secret, "Cache-Control: private", true, true, false},
		{index, "", "Cache-Control: no-cache", true, true, true},
		{index, "", "Set-Cookie: a=b", true, true, true}, // without the cookie
		{index, "Range: bytes=0-1", "", true, true, true},
		{index, "", "Vary: *", false, false, false},
		{artifact, "", "Vary: *", false, false, false},
		{artifact, "", "Vary: Accept-Encoding, *", false, false, false},
		{index, "", "Vary: Accept", true, true, true},
		{index, "", "Content-Type: text/event-stream", false, false, false},
	} {
		req, answer := header(), header()
		if c.req != "" {
			req = header(c.req)
		}
		if c.answer != "" {
			answer = header(c.answer)
		}
		for m, want := range map[Mode]bool{"": c.artifacts, Artifacts: c.artifacts, Forever: c.forever, RFC9111: c.rfc9111} {
			if keep := m.Storable(req, at(t, c.path), http.StatusOK, answer); keep.OK != want || keep.Reason == "" {
				t.Errorf("%s asked with %q, answered with %q, under %q: %+v, want %v", c.path, c.req, c.answer, m, keep, want)
			}
		}
	}
	several := header("Vary: Accept", "Vary: *")
	if keep := Artifacts.Storable(nil, at(t, artifact), http.StatusOK, several); keep.OK {
		t.Errorf("two Vary lines, one a star: %+v", keep)
	}
	// The artifact's name promises nothing of an error's text.
	if keep := Artifacts.Storable(nil, at(t, artifact), http.StatusNotFound, header("Cache-Control: no-store")); keep.OK {
		t.Errorf("an artifact's 404 with no-store: %+v", keep)
	}
}

func TestCredentials(t *testing.T) {
	if got := Credentials(header("Accept: */*", "User-Agent: x")); got != "" {
		t.Errorf("credentials %q in a request without", got)
	}
	seen := map[string]string{}
	for _, line := range []string{
		"Authorization: Basic a", "Authorization: Basic b", "Cookie: a", "Private-Token: a", "Job-Token: a", "Deploy-Token: a",
		"X-JFrog-Art-Api: a", "X-Api-Key: a", "X-NuGet-ApiKey: a", "X-Auth-Token: a", "X-Amz-Security-Token: a",
	} {
		got := Credentials(header(line))
		if got == "" || seen[got] != "" {
			t.Errorf("%s and %s are the same credentials, %q", line, seen[got], got)
		}
		seen[got] = line
	}
	if a, b := Credentials(header("Authorization: a", "Cookie: b")), Credentials(header("Cookie: b", "Authorization: a")); a != b {
		t.Errorf("the order of fields makes other credentials: %q, %q", a, b)
	}
}

func TestKeptHeader(t *testing.T) {
	answer := header(
		"Content-Type: text/plain", `ETag: "x"`, "X-Checksum-Sha1: 1", "Www-Authenticate: Bearer realm=x", "Docker-Content-Digest: d",
		"Date: "+noonFmt, "Content-Location: /a?token=s3cret",
		"Set-Cookie: s3cret", "Set-Cookie: s3cret2", "Set-Cookie2: s3cret", "Authorization: s3cret", "X-Auth-Token: s3cret",
		"X-Amz-Security-Token: s3cret", "Proxy-Authorization: s3cret", "Proxy-Authenticate: x", "Authentication-Info: x",
		"Connection: close, X-Hop", "X-Hop: x", "Keep-Alive: x", "Transfer-Encoding: chunked", "Upgrade: x", "Trailer: x", "Te: x",
		"Alt-Svc: x", "Strict-Transport-Security: x", "X-Cachex: x", "Cache-Status: x", "Content-Length: 5",
		"X-RateLimit-Remaining: 1", "RateLimit: x", "Docker-Ratelimit-Source: 192.0.2.1", "X-Rate-Limit-Reset: 1",
	)
	before := fmt.Sprint(answer)
	got := KeptHeader(answer)
	want := header(
		"Content-Type: text/plain", `ETag: "x"`, "X-Checksum-Sha1: 1", "Www-Authenticate: Bearer realm=x", "Docker-Content-Digest: d",
		"Date: "+noonFmt, "Content-Location: /a", "Authentication-Info: x", "Cache-Status: x",
	)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	if fmt.Sprint(answer) != before {
		t.Error("the answer itself was changed")
	}
}

func TestKeptLocation(t *testing.T) {
	for location, want := range map[string]string{
		"https://cdn.example/a?X-Amz-Signature=s3cret&versionId=1": "https://cdn.example/a?versionId=1",
		"https://u:s3cret@cdn.example/a":                           "https://cdn.example/a",
		"/a?sig=s3cret&se=1":                                       "/a",
		"../a/%7Eb?x=1#f":                                          "../a/%7Eb?x=1#f",
		"//cdn.example/a b?q=a b":                                  "//cdn.example/a b?q=a b",
		"https://cdn.example/50%?sig=s3cret&a=1":                   "https://cdn.example/50%?a=1",
		"https://cdn.example/50%?token=s3cret":                     "https://cdn.example/50%",
		"https://cdn.example/50%":                                  "https://cdn.example/50%",
		"https://u:s3cret@cdn.example/50%":                         "",
	} {
		h := KeptHeader(http.Header{"Location": {location}})
		if got := h.Get("Location"); got != want {
			t.Errorf("%s is kept as %s, want %s", location, got, want)
		}
		if _, there := h["Location"]; there != (want != "") {
			t.Errorf("%s: an empty field is kept", location)
		}
	}
}
