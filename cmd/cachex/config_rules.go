package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"cachex/proxy"
	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// [[rule]]: what the user says of URLs (policy.Rule).

// hostRule is a rule with passthrough: it is about connections, whose URLs nobody
// sees.
type hostRule struct {
	hosts   proxy.Hosts
	pattern string
	place   string
}

// fileRule is a rule as a file has it. Values of its header are not known before
// they are needed.
type fileRule struct {
	policy.Rule
	header []headerRule
}

// headerRule is a field whose value is a word of a scheme, if there is one, and
// what a variable has.
type headerRule struct{ name, scheme, variable string }

// ruleKeys are the keys of a rule.
func ruleKeys() []string {
	return []string{"url", "policy", "ttl", "drop-query", "pass", "passthrough", "header"}
}

// takeRules reads [[rule]].
func (f *configFile) takeRules(raw any) error {
	tables, ok := raw.([]map[string]any)
	if list, inline := raw.([]any); inline {
		ok = true
		for _, item := range list {
			table, is := item.(map[string]any)
			ok = ok && is
			tables = append(tables, table)
		}
	}
	if !ok {
		return fmt.Errorf("rules are tables: [[rule]], not %s", typeName(raw))
	}
	seen := map[string]int{}
	for i, table := range tables {
		at := fmt.Sprintf("rule[%d]", i)
		if err := f.takeRule(at, table); err != nil {
			return f.placed(at, err)
		}
		glob, _ := table["url"].(string)
		if first, twice := seen[glob]; twice {
			return f.placed(at, &hintedError{fmt.Errorf("line %d has a rule for %q already", first, glob), "make one rule of the two"})
		}
		seen[glob] = f.lines.of(at)
	}
	return nil
}

// takeRule reads one rule.
func (f *configFile) takeRule(at string, table map[string]any) error {
	r := fileRule{Rule: policy.Rule{Place: f.at(f.lines.of(at))}}
	for _, key := range f.inOrder(at, table) {
		if !slices.Contains(ruleKeys(), key) {
			return f.placed(join(at, key), unknownWord(fmt.Errorf("unknown key %q in a rule", key), key, ruleKeys(), "%q"))
		}
		if err := r.take(key, table[key]); err != nil {
			return f.placed(join(at, key), err)
		}
	}
	if table["url"] == nil {
		return &hintedError{errors.New("the rule has no url"), `say for which URLs it is: url = "registry.example/*"`}
	}
	if err := contradiction(table); err != nil {
		return err
	}
	if table["passthrough"] == true {
		return f.takePassthrough(at, r)
	}
	if r.DropQuery != nil && !f.trusted {
		// Its answer would be that to the URL without them, in all runs.
		return f.placed(join(at, "drop-query"), f.untrusted("a project's file may not say which URLs are the same", ""))
	}
	if len(r.header) > 0 {
		switch {
		case !f.trusted:
			return f.placed(join(at, "header"), f.untrusted("a project's file may not send what your variables have", ""))
		case r.URL.Host() == "" || r.URL.Scheme() == "http":
			return f.placed(join(at, "url"), &hintedError{fmt.Errorf("%q may match several hosts: a header goes to one, over https", r.URL),
				"write the host without *, as in registry.example/*"})
		}
	}
	f.rules = append(f.rules, r)
	return nil
}

// take reads one key of a rule.
func (r *fileRule) take(key string, raw any) error {
	var word string
	var err error
	switch key {
	case "url", "policy", "ttl":
		word, err = text(key, "string", raw)
	case "pass", "passthrough":
		word, err = text(key, "bool", raw)
	}
	if err != nil {
		return err
	}
	switch key {
	case "url":
		r.URL, err = policy.ParseGlob(word, func(u *url.URL) (string, string) {
			k := store.KeyOf(policy.Unsigned(u))
			return k.Host, k.Target
		})
	case "policy":
		r.Mode, err = parsePolicy(word)
	case "ttl":
		var life time.Duration
		if word != "0" && word != "0s" {
			life, err = parseAge(word)
		}
		if err != nil {
			err = fmt.Errorf("ttl = %q: a time is as 30d, 2w, 12h, 10m or 0", word)
		}
		r.Life = &life
	case "drop-query":
		r.DropQuery, err = texts(key, raw)
	case "pass":
		r.Pass = word == "true"
	case "header":
		err = r.takeHeader(raw)
	}
	return err
}

// contradiction tells of keys of one rule of which only one can be meant.
func contradiction(table map[string]any) error {
	has := func(key string) bool { return table[key] != nil && table[key] != false }
	together := func(a, b, why string) error {
		return &hintedError{fmt.Errorf("%q and %q contradict each other", a, b), why}
	}
	for _, key := range ruleKeys() {
		switch {
		case key == "url" || !has(key):
		case has("passthrough") && key != "passthrough":
			return together("passthrough", key, "what is passed through is not seen: leave one of them out")
		case has("pass") && (key == "ttl" || key == "policy" || key == "drop-query"):
			return together("pass", key, "what is passed is not kept: leave one of them out")
		case key == "ttl" && has("policy"):
			return together("ttl", "policy", "each says for how long an answer is good: leave one of them out")
		}
	}
	if len(table) == 1 {
		return &hintedError{errors.New("the rule says nothing of its URLs"), "it takes one of: " + strings.Join(ruleKeys()[1:], ", ")}
	}
	return nil
}

// takePassthrough reads a rule about connections.
func (f *configFile) takePassthrough(at string, r fileRule) error {
	if !f.trusted {
		return f.placed(join(at, "passthrough"), f.untrusted("a project's file may not let connections through unseen", "--passthrough"))
	}
	pattern, bare := r.URL.HostPattern()
	hosts, err := proxy.ParseHosts([]string{pattern})
	if !bare || err != nil || r.URL.Scheme() == "http" {
		return f.placed(join(at, "url"), &hintedError{fmt.Errorf("%q is not a host alone: what is passed through has no path that anybody sees", r.URL),
			"write the host, as registry.example or *.registry.example"})
	}
	f.passthrough = append(f.passthrough, hostRule{hosts.Ruled(r.Place), r.URL.String(), r.Place})
	return nil
}

// unfitFields are those of a request that are about its connection, its length or
// what part of an answer is wanted.
var unfitFields = []string{
	"Host", "Connection", "Content-Length", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Expect", "Keep-Alive", "Via",
	"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Accept-Encoding", "Content-Encoding",
}

// takeHeader reads header = { NAME = "$VARIABLE" }.
func (r *fileRule) takeHeader(raw any) error {
	table, ok := raw.(map[string]any)
	if !ok || len(table) == 0 {
		return &hintedError{fmt.Errorf(`"header" takes a table, not %s`, typeName(raw)), `write it as header = { X-Token = "$REGISTRY_TOKEN" }`}
	}
	value := regexp.MustCompile(`^(?:([A-Za-z][A-Za-z0-9-]*) )?\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})$`)
	for _, name := range slices.Sorted(maps.Keys(table)) {
		canonical := http.CanonicalHeaderKey(name)
		if !httpguts.ValidHeaderFieldName(name) || slices.Contains(unfitFields, canonical) || strings.HasPrefix(canonical, "Proxy-") {
			return fmt.Errorf("the field %q cannot be added to a request", name)
		}
		v, _ := table[name].(string)
		found := value.FindStringSubmatch(v)
		if found == nil { // the value is not repeated: it may be the secret itself
			return &hintedError{fmt.Errorf("the value of %q is not that of an environment variable", name),
				fmt.Sprintf(`secrets do not belong in a file: %s = "$NAME", or "Bearer $NAME", has it from the variable NAME`, name)}
		}
		if slices.ContainsFunc(r.header, func(h headerRule) bool { return h.name == canonical }) {
			return fmt.Errorf("the field %q is there twice", name)
		}
		r.header = append(r.header, headerRule{canonical, found[1], found[2] + found[3]})
	}
	return nil
}

// resolve gives the rule the values of its variables.
func (r *fileRule) resolve(getenv func(string) string) policy.Rule {
	rule := r.Rule
	for _, h := range r.header {
		v := strings.TrimSpace(getenv(h.variable))
		if !httpguts.ValidHeaderFieldValue(v) {
			v = "" // it could not be sent
		}
		if v != "" && h.scheme != "" {
			v = h.scheme + " " + v
		}
		rule.Header = append(rule.Header, policy.Field{Name: h.name, Variable: h.variable, Value: v})
	}
	return rule
}

// rules are those of all files, in the order in which they count.
func (c *configuration) rules(getenv func(string) string) policy.Rules {
	var rules policy.Rules
	for _, f := range c.files {
		for i := range f.rules {
			rules = append(rules, f.rules[i].resolve(getenv))
		}
	}
	return rules
}

// passthrough are the hosts of all rules with passthrough.
func (c *configuration) passthrough() proxy.Hosts {
	var hosts proxy.Hosts
	for _, f := range c.files {
		for _, r := range f.passthrough {
			hosts = append(hosts, r.hosts...)
		}
	}
	return hosts
}
