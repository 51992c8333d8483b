package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Representation names the form that a request's Accept field asks for where a
// kind of registry is known to offer several; "" is the ordinary form. The
// name goes into the file's name.
//
// It looks at the preferred media type only: clients' lists differ by version,
// the first choice doesn't.
func Representation(u *url.URL, req http.Header) string {
	if _, fixed := artifactName(u.Path); fixed {
		return ""
	}
	if v := req.Get("Git-Protocol"); v != "" && strings.HasSuffix(u.Path, "/info/refs") {
		return "git-" + strings.ReplaceAll(v, ":", ",")
	}
	types := mediaTypes(req)
	if len(types) == 0 {
		return ""
	}
	switch first := types[0]; {
	case first == "application/vnd.npm.install-v1+json":
		return "npm.install-v1"
	case strings.HasPrefix(first, "application/vnd.pypi.simple.") && strings.HasSuffix(first, "+json"):
		return strings.TrimSuffix(strings.TrimPrefix(first, "application/vnd."), "+json")
	case strings.Contains(u.Path, "/manifests/"):
		slices.Sort(types)
		return "accept-" + digest(strings.Join(slices.Compact(types), ","))
	}
	return ""
}

// Forms are the names of Representation that do not depend on a request: beside
// which one of a document another may be kept.
func Forms(u *url.URL) []string {
	if _, fixed := artifactName(u.Path); fixed {
		return []string{""}
	}
	return []string{"", "npm.install-v1", "pypi.simple.v1", "git-version=2"}
}

// ByMediaType tells whether a variant's name is one that Representation gives
// to a choice among media types.
func ByMediaType(name string) bool {
	return name == "npm.install-v1" || strings.HasPrefix(name, "pypi.simple.") || strings.HasPrefix(name, "accept-")
}

// Accepts tells whether a request accepts a media type (RFC 9110 section
// 12.5.1). One without Accept takes any.
func Accepts(req http.Header, contentType string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	kind = strings.TrimSpace(kind)
	all := preferences(req.Values("Accept"))
	group, _, _ := strings.Cut(kind, "/")
	for _, c := range all {
		if (c.name == kind || c.name == group+"/*" || c.name == "*/*") && c.quality != "0" {
			return true
		}
	}
	return len(all) == 0
}

// mediaTypes lists the types of an Accept field, the preferred ones first,
// without parameters (RFC 9110 section 12.5.1).
func mediaTypes(req http.Header) []string {
	all := preferences(req.Values("Accept"))
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	return names
}

// preference is a member of an Accept or Accept-Language field.
type preference struct{ name, quality string }

// preferences lists the members, the preferred ones first, in lower case and
// without other parameters.
func preferences(lines []string) []preference {
	var all []preference
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			c := preference{strings.ToLower(strings.TrimSpace(name)), "1"}
			for p := range strings.SplitSeq(params, ";") {
				if k, v, ok := strings.Cut(strings.TrimSpace(p), "="); ok && strings.EqualFold(k, "q") {
					c.quality = normalQuality(v)
				}
			}
			if c.name != "" {
				all = append(all, c)
			}
		}
	}
	// Qualities are "1" and "0.8": their order as text is that as numbers.
	slices.SortStableFunc(all, func(a, b preference) int { return strings.Compare(b.quality, a.quality) })
	return all
}

// normalQuality writes "1.000" as "1" and "0.80" as "0.8".
func normalQuality(q string) string {
	if !strings.Contains(q, ".") {
		return q
	}
	return strings.TrimRight(strings.TrimRight(q, "0"), ".")
}

// ignored are the fields that answers vary by and caches of builds must not:
// they differ with each client, and the bytes kept are the same (encodings are
// undone, credentials have variants of their own).
var ignored = []string{
	"accept-encoding", "user-agent", "proxy-authorization", "x-requested-with",
	"x-forwarded-proto", "x-forwarded-for", "x-forwarded-host", "fastly-ssl", "x-client-cert",
	"access-control-request-method", "access-control-request-headers",
}

// Selecting lists the request fields that an answer was selected by: its Vary
// (RFC 9111 section 4.1) less those that don't matter here, in lower case,
// sorted, each once.
func (m Mode) Selecting(answer http.Header) []string {
	var names []string
	for _, name := range fieldNames(answer.Values("Vary")) {
		if name != "*" && !m.ignores(name) && !isSecret(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (m Mode) ignores(name string) bool {
	return name == "accept-encoding" || m != RFC9111 && slices.Contains(ignored, name)
}

// fieldNames are the members of a list of names, in lower case.
func fieldNames(lines []string) []string {
	var names []string
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// Selected are the values of the selecting fields in a request, in a normal
// form (RFC 9111 section 4.1).
func Selected(names []string, req http.Header) map[string]string {
	if len(names) == 0 {
		return nil
	}
	m := make(map[string]string, len(names))
	for _, name := range names {
		m[name] = normalValue(name, req.Values(name))
	}
	return m
}

// normalValue combines a field's lines and leaves out the white space around
// the members of its list. Languages are ordered by preference alone.
func normalValue(name string, lines []string) string {
	if name == "accept-language" {
		var tags []string
		for _, p := range preferences(lines) {
			tags = append(tags, p.name+";q="+p.quality)
		}
		slices.Sort(tags)
		return strings.Join(tags, ", ")
	}
	var members []string
	for rest := strings.Join(lines, ","); rest != ""; {
		var item string
		item, rest = nextItem(rest)
		members = append(members, strings.Join(strings.Fields(item), " "))
	}
	return strings.Join(members, ", ")
}

// Selects tells whether a kept answer is the one for a request: its selecting
// fields have the same values, or the answer is in the language that the
// request likes best of all.
func Selects(vary map[string]string, answer, req http.Header) bool {
	for name, v := range vary {
		if normalValue(name, req.Values(name)) == v {
			continue
		}
		if name != "accept-language" || !likesBest(req, answer.Get("Content-Language")) {
			return false
		}
	}
	return true
}

func likesBest(req http.Header, language string) bool {
	liked := preferences(req.Values("Accept-Language"))
	return language != "" && len(liked) > 0 && strings.EqualFold(liked[0].name, language) &&
		(len(liked) == 1 || liked[1].quality != liked[0].quality)
}

// VaryLabel names a variant after the values that selected it.
func VaryLabel(selected map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(selected)) {
		b.WriteString(name + ":" + selected[name] + "\n")
	}
	return "vary-" + digest(b.String())
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}
