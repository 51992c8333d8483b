package main

import (
	"slices"
	"testing"
)

func TestCommandWithoutSecrets(t *testing.T) {
	for _, c := range [][2][]string{
		{{"npm", "ci"}, {"npm", "ci"}},
		{{"pip", "install", "--index-url", "https://me:pw@registry.example/simple", "tokenizers==0.1"},
			{"pip", "install", "--index-url", "https://registry.example/simple", "tokenizers==0.1"}},
		{{"git", "clone", "git+https://me:pw@registry.example/x?token=pw"}, {"git", "clone", "git+https://registry.example/x"}},
		{{"curl", "-H", "Authorization: Bearer pw", "https://registry.example/a"}, {"curl", "-H", "Authorization: …", "https://registry.example/a"}},
		{{"curl", "-u", "me:pw", "--user", "me"}, {"curl", "-u", "me:…", "--user", "me"}},
		{{"tool", "--password", "pw", "--api-key=pw", "-v"}, {"tool", "--password", "…", "--api-key=…", "-v"}},
		{{"env", "NPM_TOKEN=pw", "A=b"}, {"env", "NPM_TOKEN=…", "A=b"}},
		{{"sh", "-c", `curl -u me:pw -H "X-Auth-Token: pw pw" x; TOKEN='pw' make --secret pw && echo done`},
			{"sh", "-c", `curl -u me:… -H "X-Auth-Token: …" x; TOKEN=… make --secret … && echo done`}},
		{{"curl", "-d", `{"name":"me","password":"pw","n":1}`}, {"curl", "-d", `{"name":"me","password":"…","n":1}`}},
		{{"sh", "-c", `curl -d "{\"password\": \"pw\"}"`}, {"sh", "-c", `curl -d "{\"password\": \"…\"}"`}},
		{{"sh", "-c", "http://[ x"}, {"sh", "-c", "https://… x"}},
	} {
		if got := withoutSecrets(c[0]); !slices.Equal(got, c[1]) {
			t.Errorf("%q\nis shown as %q\nwant        %q", c[0], got, c[1])
		}
	}
}
