package store

import (
	"net/http"
	"strconv"
	"strings"
)

// Metadata is JSON, and nearly always as writeMeta has written it. That is read
// here, in a tenth of the time that encoding/json takes: of ls of a million
// entries, that was the half. What is written in any other way (by hand, with
// characters beyond ASCII, with the text of an error) is encoding/json's.

// metaText is metadata that is being read.
type metaText struct {
	s      string // all of it
	at     int    // how much has been read
	failed bool   // it is not as writeMeta writes it
}

// decode reads metadata that is as writeMeta writes it. It reports false, with m in
// any state, when it is not.
func (m *Meta) decode(text string) bool {
	t := metaText{s: text}
	t.take(`{"url":`)
	m.URL = t.text()
	t.take(`,"status":`)
	m.Status = int(t.number())
	if t.has(`,"header":`) {
		m.Header = t.header()
	}
	if t.has(`,"vary":`) {
		m.Vary = t.fields()
	}
	if t.has(`,"vary_by":[`) {
		for ok := true; ok && !t.failed; ok = t.has(",") {
			m.VaryBy = append(m.VaryBy, t.texts(nil))
		}
		t.take("]")
	}
	m.Invalid = t.has(`,"invalid":true`)
	m.Mine = t.has(`,"mine":true`)
	m.Below = t.has(`,"below":true`)
	m.Gone = t.has(`,"gone":true`)
	t.take(`,"requested":`)
	t.time(m.Requested.UnmarshalJSON)
	t.take(`,"received":`)
	t.time(m.Received.UnmarshalJSON)
	t.take(`,"fetch_ms":`)
	m.FetchMS = t.number()
	t.take(`,"size":`)
	m.Size = t.number()
	if t.has(`,"sha256":`) {
		m.SHA256 = t.text()
	}
	if t.has(`,"mtime":`) {
		t.time(m.ModTime.UnmarshalJSON)
	}
	t.take("}")
	return !t.failed && t.at == len(t.s)
}

// has tells whether something comes next, and reads it.
func (t *metaText) has(s string) bool {
	if t.failed || !strings.HasPrefix(t.s[t.at:], s) {
		return false
	}
	t.at += len(s)
	return true
}

// take reads what must come next.
func (t *metaText) take(s string) {
	if !t.has(s) {
		t.failed = true
	}
}

// quoted reads a string, and gives it with its quotes and escapes.
func (t *metaText) quoted() (s string, escaped bool) {
	if t.take(`"`); t.failed {
		return "", false
	}
	from := t.at - 1
	for ; t.at < len(t.s); t.at++ {
		switch c := t.s[t.at]; {
		case c == '"':
			t.at++
			return t.s[from:t.at], escaped
		case c == '\\':
			escaped = true
			t.at++ // what it escapes may be a quote
		case c < ' ' || c >= 0x80:
			t.failed = true
			return "", false
		}
	}
	t.failed = true
	return "", false
}

// text reads a string.
func (t *metaText) text() string {
	s, escaped := t.quoted()
	if t.failed {
		return ""
	}
	s = s[1 : len(s)-1]
	if !escaped {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for rest := s; rest != ""; {
		i := strings.IndexByte(rest, '\\')
		if i < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:i])
		switch c := rest[i+1]; c {
		case '"', '\\':
			b.WriteByte(c)
		default: // \u0026 and the like
			t.failed = true
			return ""
		}
		rest = rest[i+2:]
	}
	return b.String()
}

// texts reads an array of strings behind those of a caller's.
func (t *metaText) texts(list []string) []string {
	if t.take("["); t.has("]") {
		return []string{}
	}
	n := len(list)
	for ok := true; ok && !t.failed; ok = t.has(",") {
		list = append(list, t.text())
	}
	t.take("]")
	return list[n:len(list):len(list)]
}

// typicalFields is how many header fields an answer has, more or less.
const typicalFields = 12

func (t *metaText) header() http.Header {
	h := make(http.Header, typicalFields)
	values := make([]string, 0, typicalFields) // of all fields, in one piece
	t.object(func(name string) {
		v := t.texts(values)
		if len(values)+len(v) <= cap(values) {
			values = values[:len(values)+len(v)]
		}
		h[name] = v
	})
	return h
}

func (t *metaText) fields() map[string]string {
	m := map[string]string{}
	t.object(func(name string) { m[name] = t.text() })
	return m
}

// object reads an object, the values of which are the caller's to be read.
func (t *metaText) object(value func(name string)) {
	if t.take("{"); t.has("}") {
		return
	}
	for ok := true; ok && !t.failed; ok = t.has(",") {
		name := t.text()
		t.take(":")
		value(name)
	}
	t.take("}")
}

// number reads an integer.
func (t *metaText) number() int64 {
	if t.failed {
		return 0
	}
	from := t.at
	for t.at < len(t.s) && (t.s[t.at] >= '0' && t.s[t.at] <= '9' || t.s[t.at] == '-' && t.at == from) {
		t.at++
	}
	digits := strings.TrimPrefix(t.s[from:t.at], "-")
	n, err := strconv.ParseInt(t.s[from:t.at], 10, 64)
	if err != nil || len(digits) > 1 && digits[0] == '0' {
		t.failed = true // JSON has no 007
	}
	return n
}

func (t *metaText) time(set func([]byte) error) {
	s, escaped := t.quoted()
	if t.failed || escaped || set([]byte(s)) != nil {
		t.failed = true
	}
}
