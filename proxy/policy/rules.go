package policy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Rule is what a user says of the URLs that a glob matches, for servers that say
// the wrong thing themselves. The zero values of its fields say nothing.
type Rule struct {
	URL Glob
	// Place is where the rule was written, as FILE:LINE.
	Place string
	// Mode is in place of the run's.
	Mode Mode
	// Life is the freshness lifetime of answers that are no errors, whatever they
	// say themselves; nil is what they say. 0 has upstream asked each time.
	Life *time.Duration
	// DropQuery are names of query parameters that are no part of the key; a * in
	// one stands for any characters.
	DropQuery []string
	// Pass keeps nothing, and answers with nothing that is kept.
	Pass bool
	// Header are fields for upstream.
	Header []Field
}

// Field is a field of a request whose value comes from an environment variable.
type Field struct {
	// Name is in its canonical form.
	Name string
	// Variable is the one that Value comes from.
	Variable string
	// Value is a secret, "" when the variable has none.
	Value string
}

// Rules are in the order in which they count.
type Rules []Rule

// Ruling is what rules say of one URL. The zero value says nothing.
type Ruling struct {
	Mode      Mode
	Life      *time.Duration
	DropQuery []string
	Pass      bool
	// Header are the fields that are to be sent, those with a value alone. Over
	// anything but https there are none.
	Header []Field
	// Reason names the rules that match, "" when there are none.
	Reason string
}

// For merges the rules that match a URL: host and target are those of its key
// before parameters are dropped. Of what several say differently the first counts.
func (rules Rules) For(scheme, host, target string) Ruling {
	var r Ruling
	var said []string
	for i := range rules {
		rule := &rules[i]
		if s := rule.URL.Scheme(); s != "" && s != scheme || !rule.URL.Match(host, target) {
			continue
		}
		if r.Mode == "" && r.Life == nil { // a lifetime and a mode answer the same question
			r.Mode, r.Life = rule.Mode, rule.Life
		}
		if r.DropQuery == nil {
			r.DropQuery = rule.DropQuery
		}
		r.Pass = r.Pass || rule.Pass
		place := rule.Place
		if scheme == "https" {
			if unset := r.addFields(rule.Header); unset != "" {
				place += " ($" + unset + " is not set)"
			}
		}
		said = append(said, place)
	}
	switch len(said) {
	case 0:
	case 1:
		r.Reason = "rule " + said[0]
	default:
		r.Reason = "rules " + strings.Join(said, ", ")
	}
	return r
}

// addFields takes the fields that have a value and are not there yet, and names a
// variable that has none.
func (r *Ruling) addFields(fields []Field) (unset string) {
	for _, f := range fields {
		switch {
		case f.Value == "":
			unset = f.Variable
		case !slices.ContainsFunc(r.Header, func(was Field) bool { return was.Name == f.Name }):
			r.Header = append(slices.Clip(r.Header), f)
		}
	}
	return unset
}

// Missing are the fields of a ruling that a request does not have itself: its own
// come first.
func (r Ruling) Missing(req http.Header) []Field {
	var missing []Field
	for _, f := range r.Header {
		if len(req.Values(f.Name)) == 0 {
			missing = append(missing, f)
		}
	}
	return missing
}

// WithoutQuery is a URL without the parameters that patterns name. It returns u
// itself when there is nothing to take out.
func WithoutQuery(u *url.URL, patterns []string) *url.URL {
	if len(patterns) == 0 || u.RawQuery == "" {
		return u
	}
	var kept []string
	items := strings.Split(u.RawQuery, "&")
	for _, item := range items {
		name, _, _ := strings.Cut(item, "=")
		if n, err := url.QueryUnescape(name); err == nil {
			name = n
		}
		if !slices.ContainsFunc(patterns, func(p string) bool { return matchParts(name, strings.Split(p, "*")) }) {
			kept = append(kept, item)
		}
	}
	if len(kept) == len(items) {
		return u
	}
	v := *u
	v.RawQuery = strings.Join(kept, "&")
	v.ForceQuery = false
	return &v
}

// Terms are what answers are judged by: the mode, and what rules say beside it.
type Terms struct {
	Mode
	// Life is that of a Rule.
	Life *time.Duration
	// Credentials is set when the request is sent on with credentials that the
	// client does not know of.
	Credentials bool
}

// Judge is Mode.Judge, but for the lifetime that a rule gives: neither the answer
// nor the client has a say in it then.
func (t Terms) Judge(req http.Header, a Answer, now time.Time) Use {
	if t.Life == nil || a.Own || a.Invalid || a.Status >= http.StatusBadRequest {
		return t.Mode.Judge(req, a, now)
	}
	u := Use{Age: age(a, now), Standby: true, Reason: "stale: ttl=" + t.Life.String()}
	if resident := now.Sub(a.Received); resident < *t.Life && resident >= -maxSkew {
		u.Fresh, u.Reason = true, "fresh: ttl="+t.Life.String()
	}
	return u
}

// Storable is Mode.Storable, but that a lifetime of a rule is a reason to keep what
// says that it is not to be kept.
func (t Terms) Storable(req http.Header, u *url.URL, status int, answer http.Header) Keep {
	if t.Credentials && Credentials(req) == "" {
		req = http.Header{"Authorization": {"of a rule"}, "Cache-Control": req["Cache-Control"]}
	}
	if t.Life == nil || *t.Life == 0 || status >= http.StatusBadRequest {
		return t.Mode.Storable(req, u, status, answer)
	}
	keep := t.Mode.Storable(req, u, status, answer)
	if forever := Forever.Storable(req, u, status, answer); !keep.OK && forever.OK && status == http.StatusOK {
		keep = Keep{true, "ttl=" + t.Life.String()}
	}
	return keep
}
