package main

import (
	"net/url"
	"regexp"
	"strings"

	"cachex/proxy/policy"
)

// What may be secret on a command line, as tools commonly take it. A name that
// has one of these words in it, or is one, stands for a secret.
const secretName = `[\w-]*(?:token|secret|password|passwd|api[_-]?key|credentials?)[\w-]*`

// hidden stands in place of a secret.
const hidden = "…"

// mask is what is looked for, and what is left of it.
type mask struct {
	at   *regexp.Regexp
	left string
}

func masks() []mask {
	return []mask{
		// A field of HTTP: -H 'Authorization: Bearer …'.
		{regexp.MustCompile(`(?i)((?:proxy-)?authorization|cookie|` + secretName + `)(\s*:\s*)[^'"\n]+`), "$1$2" + hidden},
		// NPM_TOKEN=…, --token=…
		{regexp.MustCompile(`(?i)(` + secretName + `=)(?:"[^"]*"|'[^']*'|[^\s'"&;|=][^\s'"&;|]*)`), "$1" + hidden},
		// "password":"…", in JSON, which may be quoted once more.
		{regexp.MustCompile(`(?i)(` + secretName + `\\*["']\s*:\s*\\*["'])[^"'\\]+`), "$1" + hidden},
		// --password …, in one word of a shell.
		{regexp.MustCompile(`(?i)(--?` + secretName + `\s+)[^\s'"&;|]+`), "$1" + hidden},
		// -u USER:PASSWORD
		{regexp.MustCompile(`((?:^|\s)(?:-u|--user|--proxy-user)[ =]?[^\s:=]+:)[^\s'"&;|]+`), "$1" + hidden},
	}
}

// withoutSecrets is the command as a report may show it: URLs in it lose their
// passwords and tokens, and what looks like a secret is left out.
func withoutSecrets(args []string) []string {
	anyURL := regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'"<>]+`)
	all := masks()
	asName := regexp.MustCompile(`(?i)^--?` + secretName + `$`)
	shown := make([]string, len(args))
	for i, a := range args {
		a = anyURL.ReplaceAllStringFunc(a, func(s string) string {
			u, err := url.Parse(s)
			if err != nil {
				return "https://" + hidden // not to be told what is secret in it
			}
			return policy.Unsigned(u).String()
		})
		for _, m := range all {
			a = m.at.ReplaceAllString(a, m.left)
		}
		if i > 0 {
			switch before := args[i-1]; {
			case asName.MatchString(before):
				a = hidden
			case before == "-u" || before == "--user" || before == "--proxy-user":
				if user, _, ok := strings.Cut(a, ":"); ok {
					a = user + ":" + hidden
				}
			}
		}
		shown[i] = a
	}
	return shown
}
