package report

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The structure of HTTP Archive 1.2: every field that it asks for is there, of its
// kind, and an entry's time is the sum of its timings.
func TestHAR(t *testing.T) {
	var har struct{ Log map[string]any }
	b := inFormat(t, WriteHAR, reportOf(t, sample()...))
	if err := json.Unmarshal(b, &har); err != nil {
		t.Fatal(err)
	}
	fields(t, "log", har.Log, "version", "", "creator.name", "", "creator.version", "", "pages", nil, "entries", nil)
	page := har.Log["pages"].([]any)[0].(map[string]any)
	fields(t, "page", page, "startedDateTime", "", "id", "", "title", "", "pageTimings.onLoad", 0.)
	entries := har.Log["entries"].([]any)
	if len(entries) != len(sample()) {
		t.Fatalf("%d entries", len(entries))
	}
	for i, v := range entries {
		e := v.(map[string]any)
		fields(t, "entry", e, "pageref", "", "startedDateTime", "", "time", 0., "cache", map[string]any{}, "_outcome", "", "_reason", "",
			"request.method", "", "request.url", "", "request.httpVersion", "", "request.cookies", nil, "request.headers", nil,
			"request.queryString", nil, "request.headersSize", 0., "request.bodySize", 0.,
			"response.status", 0., "response.statusText", "", "response.httpVersion", "", "response.cookies", nil, "response.headers", nil,
			"response.content.size", 0., "response.content.mimeType", "", "response.redirectURL", "", "response.headersSize", 0.,
			"response.bodySize", 0.)
		if e["pageref"] != page["id"] {
			t.Errorf("entry %d is of page %v", i, e["pageref"])
		}
		if _, err := time.Parse(time.RFC3339, e["startedDateTime"].(string)); err != nil {
			t.Error(err)
		}
		if _, err := url.Parse(e["request"].(map[string]any)["url"].(string)); err != nil {
			t.Error(err)
		}
		sum := 0.
		for _, part := range []string{"blocked", "dns", "connect", "send", "wait", "receive"} {
			took := e["timings"].(map[string]any)[part].(float64)
			if needed := part == "send" || part == "wait" || part == "receive"; took < 0 && (needed || took != -1) {
				t.Errorf("entry %d: %s %v", i, part, took)
			}
			sum += max(0, took)
		}
		if sum != e["time"].(float64) {
			t.Errorf("entry %d: %v of %v ms", i, sum, e["time"])
		}
	}
	first := entries[0].(map[string]any)
	if first["startedDateTime"] != "2026-11-27T03:04:05.690Z" || first["_fromCache"] != "disk" || first["timings"].(map[string]any)["wait"] != 3. {
		t.Errorf("%v", first)
	}
	if !bytes.Contains(b, []byte(`"queryString":[{"name":"a","value":"1"},{"name":"b","value":" |<x>"}]`)) {
		t.Errorf("no query:\n%s", b)
	}
}

// fields looks for pairs of a path and a value of the kind that is wanted there; nil
// is a list.
func fields(t *testing.T, what string, object map[string]any, pairs ...any) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		var v any = object
		path := pairs[i].(string)
		for name := range strings.SplitSeq(path, ".") {
			m, ok := v.(map[string]any)
			if v = m[name]; !ok {
				t.Errorf("%s has no %s", what, path)
			}
		}
		ok := false
		switch pairs[i+1].(type) {
		case string:
			_, ok = v.(string)
		case float64:
			_, ok = v.(float64)
		case map[string]any:
			_, ok = v.(map[string]any)
		case nil:
			_, ok = v.([]any)
		}
		if !ok {
			t.Errorf("%s: %s is %T", what, path, v)
		}
	}
}
