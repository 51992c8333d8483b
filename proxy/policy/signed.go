package policy

import (
	"net/url"
	"strings"
)

// Signed URLs (ECOSYSTEMS.md 2.4): the parameters of a signature differ with
// each request and are secrets, so they are no part of a key, and never kept.

// family is one way of signing: the marks that only a signed URL has, and the
// parameters that go with them. Names are in lower case; a trailing "*" stands
// for any rest.
type family struct {
	marks  []string
	params []string
}

var families = []family{
	{[]string{"x-amz-signature", "x-amz-credential"}, []string{"x-amz-*", "x-id", "response-content-*"}},
	{[]string{"x-goog-signature", "x-goog-credential"}, []string{"x-goog-*", "response-content-*"}},
	{[]string{"signature"}, []string{"awsaccesskeyid", "googleaccessid", "expires", "signature", "policy", "key-pair-id", "response-content-*"}},
	{[]string{"sig"}, []string{"sv", "se", "st", "sr", "sp", "sip", "spr", "sig", "ss", "srt", "skoid", "sktid", "skt", "ske", "sks", "skv",
		"rscc", "rscd", "rsce", "rscl", "rsct"}},
	{[]string{"hdnea", "hdnts", "hmac", "verify"}, []string{"hdnea", "hdnts", "hmac", "expires", "verify"}},
	{[]string{"token", "access_token", "jwt", "private_token", "auth_token", "api_key", "apikey", "x-xet-cas-uid"},
		[]string{"token", "access_token", "jwt", "private_token", "auth_token", "api_key", "apikey", "expires", "x-xet-cas-uid"}},
}

// Unsigned is the URL without signature, tokens and password. It returns u
// itself when there is nothing to take out.
func Unsigned(u *url.URL) *url.URL {
	query := unsignedQuery(u.RawQuery)
	if query == u.RawQuery && u.User == nil {
		return u
	}
	v := *u
	v.RawQuery = query
	v.User = nil
	return &v
}

// IsSigned tells whether Unsigned takes something out of the query.
func IsSigned(u *url.URL) bool { return unsignedQuery(u.RawQuery) != u.RawQuery }

func unsignedQuery(query string) string {
	if query == "" {
		return ""
	}
	items := strings.Split(query, "&")
	names := make([]string, len(items))
	for i, item := range items {
		name, _, _ := strings.Cut(item, "=")
		if n, err := url.QueryUnescape(name); err == nil {
			name = n
		}
		names[i] = strings.ToLower(name)
	}
	var drop []string
	for _, f := range families {
		if anyOf(names, f.marks) {
			drop = append(drop, f.params...)
		}
	}
	if drop == nil {
		return query
	}
	var kept []string
	for i, item := range items {
		if !matches(names[i], drop) {
			kept = append(kept, item)
		}
	}
	return strings.Join(kept, "&")
}

func anyOf(names, marks []string) bool {
	for _, n := range names {
		if matches(n, marks) {
			return true
		}
	}
	return false
}

func matches(name string, patterns []string) bool {
	for _, p := range patterns {
		prefix, open := strings.CutSuffix(p, "*")
		if name == p || open && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
