package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"cachex/proxy/policy"
)

// What secrets are in a request and in the header of its answer, policy knows.
// This is about those in bodies.

// tells tells whether the text of an error or a redirect may repeat secrets: a
// signed target, the signature of the request (object stores explain why it does
// not fit), or the credentials.
func (p *Proxy) tells(text []byte, want fetch, resp *http.Response) bool {
	location := resp.Header.Get("Location")
	if policy.IsSigned(want.url) || location != policy.KeptHeader(resp.Header).Get("Location") {
		return true
	}
	for line := range strings.Lines(policy.Credentials(want.req.Header) + "\n" + p.addedCredentials(want.url, want.req.Header)) {
		_, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if _, token, ok := strings.Cut(value, " "); ok {
			value = token // Bearer …
		}
		if value != "" && bytes.Contains(text, []byte(value)) {
			return true
		}
	}
	return false
}

// tokenWords are what the last names of URLs have that give out tokens.
var tokenWords = []string{"token", "oauth", "auth", "login", "session", "credential"}

// givesToken tells whether an answer is a token: an object of JSON that says so,
// from a URL whose name does. (A package's document may have such a name too.)
// The body stays to be read.
func givesToken(u *url.URL, resp *http.Response) bool {
	name := strings.ToLower(path.Base(u.Path))
	if !slices.ContainsFunc(tokenWords, func(w string) bool { return strings.Contains(name, w) }) {
		return false
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") || resp.ContentLength > maxTokenText {
		return false
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenText))
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), rest), rest}
	return err == nil && isToken(text)
}

// isToken knows the fields of OAuth 2.0 (RFC 6749 section 5.1) and OpenID
// Connect, of registries, and "value" with a JWT (RFC 7519: its header begins
// with a brace).
func isToken(text []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return false
	}
	for name, raw := range fields {
		var value string
		if json.Unmarshal(raw, &value) != nil || value == "" {
			continue
		}
		switch strings.ToLower(name) {
		case "token", "access_token", "id_token", "refresh_token", "accesstoken", "secretaccesskey", "sessiontoken":
			return true
		case "value":
			return strings.HasPrefix(value, "eyJ")
		}
	}
	return false
}
