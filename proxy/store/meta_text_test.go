package store

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fullMeta has every field that the quick way reads.
func fullMeta() Meta {
	now := time.Date(2026, 11, 27, 1, 2, 3, 400, time.FixedZone("", -3600))
	return Meta{
		URL: "https://registry.example/a?b=c", Status: 203, Vary: map[string]string{"accept": "*/*"},
		Header:  http.Header{"Etag": {`W/"\x"`}, "Link": {"a", "b"}, "Empty": {}, "Type": {""}},
		VaryBy:  [][]string{{"accept"}, {}, {"accept", "origin"}},
		Invalid: true, Mine: true, Below: true, Gone: true,
		Requested: now, Received: now.UTC(), FetchMS: -1, Size: 1 << 40, SHA256: "00ff", ModTime: now,
	}
}

// What the store writes is read in the quick way, and as encoding/json does.
func TestMetaText(t *testing.T) {
	many := fullMeta()
	for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		many.Header[name] = []string{name, "2", "3"}
	}
	for _, m := range []Meta{fullMeta(), many, {URL: "http://h/", Status: 404}} {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var quick, slow Meta
		if err := json.Unmarshal(b, &slow); err != nil || !quick.decode(string(b)) || !reflect.DeepEqual(quick, slow) {
			t.Errorf("%s is read as %+v, want %+v, %v", b, quick, slow, err)
		}
		for n := range b {
			if cut := new(Meta); cut.decode(string(b[:n])) {
				t.Errorf("%s is read, and has no end", b[:n])
			}
		}
	}
}

// FuzzMetaText holds that the quick way reads nothing that encoding/json does not,
// and the same of all that it reads.
func FuzzMetaText(f *testing.F) {
	b, err := json.Marshal(fullMeta())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	const rest = `,"requested":"2026-11-27T01:02:03Z","received":"2026-11-27T01:02:03.5+01:00","fetch_ms":0,"size":-0}`
	for _, s := range []string{
		`"status":200,"header":{"A":["\\\""],"A":[],"\"":["x","y"]}`, `"status":200,"header":{},"vary":{"a":"1","a":"2"}`, `"status":007`,
		`"status":-`, `"status":200,"header":null`, `"status":200,"vary_by":[]`, `"status":200,"vary_by":[[],["a"]]`, `"status":1,"header":{"\u0041":["é"]}`,
	} {
		f.Add(`{"url":"https://h/",` + s + rest)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var quick, slow Meta
		if !quick.decode(s) {
			return
		}
		if err := json.Unmarshal([]byte(s), &slow); err != nil || !reflect.DeepEqual(quick, slow) {
			t.Errorf("%s is read as %#v, want %#v, %v", s, quick, slow, err)
		}
	})
}
