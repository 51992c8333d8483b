package proxy

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestGivesToken(t *testing.T) {
	for _, c := range []struct {
		url, kind, body string
		want            bool
	}{
		{"/oauth/token", "application/json", `{"access_token":"x","expires_in":3}`, true},
		{"/v2/access_tokens", "application/json; charset=utf-8", `{"token":"x"}`, true},
		{"/id/token", "application/json", `{"value":"eyJhbGciOiJub25lIn0.x"}`, true},
		{"/latest/credentials", "application/json", `{"AccessKeyId":"a","SecretAccessKey":"x"}`, true},
		{"/session", "application/vnd.api+json", `{"id_token":"x"}`, true},
		// Packages and documents of such names.
		{"/token", "application/json", `{"name":"token","versions":{"1.0.0":{"token":"x"}}}`, false},
		{"/token", "application/json", `{"token":{"version":"1"}}`, false},
		{"/token", "application/json", `{"value":"5"}`, false},
		{"/token", "application/json", `{"token":`, false},
		{"/token", "text/plain", `{"token":"x"}`, false},
		{"/token", "", `{"token":"x"}`, false},
		{"/index", "application/json", `{"token":"x"}`, false},
		{"/oauth/token", "application/json", `{"x":"` + strings.Repeat("y", maxTokenText) + `","token":"x"}`, false},
	} {
		u, err := url.Parse("https://auth.example" + c.url)
		if err != nil {
			t.Fatal(err)
		}
		resp := &http.Response{Header: http.Header{"Content-Type": {c.kind}}, Body: io.NopCloser(strings.NewReader(c.body)), ContentLength: -1}
		if got := givesToken(u, resp); got != c.want {
			t.Errorf("%s %.60s: %t", c.url, c.body, got)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != c.body || err != nil {
			t.Errorf("%s: the body is %.60q, %v", c.url, b, err)
		}
	}
}

// The text of an error or a redirect is served as it came, and kept without
// what it repeats.
func TestTextsThatTell(t *testing.T) {
	status, text, location := 0, "", ""
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.Header().Set("Cache-Control", "max-age=1000")
		w.Header().Set("Link", `<https://registry.example/next?page=2&token=5ecret>; rel="next"`)
		w.WriteHeader(status)
		io.WriteString(w, text)
	}), rigOptions{})
	for i, c := range []struct {
		url            string
		status         int
		text, location string
		header         []string
		kept           string
	}{
		{"/plain", 404, "not found", "", nil, "not found"},
		{"/moved", 302, "moved", "https://registry.example/there", nil, ""},
		{"/signed", 302, "moved to 5ecret", "https://registry.example/there?X-Amz-Signature=5ecret", nil, ""},
		{"/object?X-Amz-Signature=5ecret", 403, "5ecret does not fit", "", nil, ""},
		{"/echo", 403, "who is 5ecret?", "", []string{"Authorization", "Bearer 5ecret"}, ""},
		{"/echo2", 403, "who are you?", "", []string{"Authorization", "Bearer 5ecret"}, "who are you?"},
	} {
		status, text, location = c.status, c.text, c.location
		u := "https://registry.example" + c.url
		a := r.get(u, c.header...)
		r.want(a, c.status, c.text, Miss)
		if got := a.Header.Get("Location"); got != c.location {
			t.Errorf("%d: the client is sent to %q", i, got)
		}
		if !strings.Contains(a.Header.Get("Link"), "5ecret") {
			t.Errorf("%d: the client gets the link %q", i, a.Header.Get("Link"))
		}
		if c.status == http.StatusFound {
			continue // is asked for again, as what it redirects to is not kept
		}
		a = r.get(u, c.header...)
		r.want(a, c.status, c.kept, Hit)
		if got := a.Header.Get("Link"); got != `<https://registry.example/next?page=2>; rel="next"` {
			t.Errorf("%d: kept the link %q", i, got)
		}
	}
	grepFor(t, r.dir, "5ecret")
}
