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
	needs string // is in whatever the expression finds
	expr  string
	left  string
	at    *regexp.Regexp // nil until it is needed: all of them take half a millisecond
}

func masks() []mask {
	return []mask{
		// A field of HTTP: -H 'Authorization: Bearer …'.
		{needs: ":", expr: `(?i)((?:proxy-)?authorization|cookie|` + secretName + `)(\s*:\s*)[^'"\n]+`, left: "$1$2" + hidden},
		// NPM_TOKEN=…, --token=…
		{needs: "=", expr: `(?i)(` + secretName + `=)(?:"[^"]*"|'[^']*'|[^\s'"&;|=][^\s'"&;|]*)`, left: "$1" + hidden},
		// "password":"…", in JSON, which may be quoted once more.
		{needs: ":", expr: `(?i)(` + secretName + `\\*["']\s*:\s*\\*["'])[^"'\\]+`, left: "$1" + hidden},
		// --password …, in one word of a shell.
		{needs: "-", expr: `(?i)(--?` + secretName + `\s+)[^\s'"&;|]+`, left: "$1" + hidden},
		// -u USER:PASSWORD
		{needs: "-u", expr: `((?:^|\s)(?:-u|--user|--proxy-user)[ =]?[^\s:=]+:)[^\s'"&;|]+`, left: "$1" + hidden},
	}
}

// in gives the expression, and nil for a word that it cannot be found in.
func (m *mask) in(word string) *regexp.Regexp {
	if !strings.Contains(word, m.needs) {
		return nil
	}
	if m.at == nil {
		m.at = regexp.MustCompile(m.expr)
	}
	return m.at
}

func (m *mask) found(word string) bool {
	at := m.in(word)
	return at != nil && at.MatchString(word)
}

// withoutSecrets is the command as a report may show it: URLs in it lose their
// passwords and tokens, and what looks like a secret is left out.
func withoutSecrets(args []string) []string {
	anyURL := mask{needs: "://", expr: `[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'"<>]+`}
	asName := mask{needs: "-", expr: `(?i)^--?` + secretName + `$`}
	all := masks()
	shown := make([]string, len(args))
	for i, a := range args {
		if at := anyURL.in(a); at != nil {
			a = at.ReplaceAllStringFunc(a, func(s string) string {
				u, err := url.Parse(s)
				if err != nil {
					return "https://" + hidden // not to be told what is secret in it
				}
				return policy.Unsigned(u).String()
			})
		}
		for i := range all {
			if at := all[i].in(a); at != nil {
				a = at.ReplaceAllString(a, all[i].left)
			}
		}
		if i > 0 {
			switch before := args[i-1]; {
			case asName.found(before):
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
