package report

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
)

// A line is what encoding/json would make of it, whatever is in which field.
func TestLine(t *testing.T) {
	texts := []string{"", "plain", `with "quotes" and \ and <&>`, "line\nend\x00", "é\u2028", "\xff", "\x7f"}
	for i := range reflect.TypeFor[Exchange]().NumField() {
		for n, text := range texts {
			var x Exchange
			switch f := reflect.ValueOf(&x).Elem().Field(i); f.Kind() {
			case reflect.String:
				f.SetString(text)
			case reflect.Int, reflect.Int64:
				f.SetInt(int64(n) * -1 << 40)
			default:
				t.Fatalf("a field of kind %v", f.Kind())
			}
			want, err := json.Marshal(x)
			if got := x.appendLine(nil); err != nil || string(got) != string(want) {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
}

func TestHostOf(t *testing.T) {
	for u, want := range map[string]string{
		"https://registry.example": "registry.example", "https://registry.example:8443?a/b": "registry.example:8443",
		"http://[fd00::1]:80/x": "[fd00::1]:80", "": "?", "registry.example": "?",
		"http://user@registry.example/@v/a": "registry.example",
	} {
		if got := hostOf(u); got != want {
			t.Errorf("%s: %s, want %s", u, got, want)
		}
	}
}

// BenchmarkRecord is what a request costs the report: its sums, and its line.
func BenchmarkRecord(b *testing.B) {
	f, err := os.CreateTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	s, a := NewSpool(f), NewAccount()
	x := Exchange{
		Method: "GET", URL: "https://registry.example/a/-/a-1.0.0.tgz", Outcome: Hit, Reason: "artifact: version in name", Status: 200, Bytes: 4096,
		SHA256: "191b1a80c83ffbdc43aebb8c3ccffce26819426519cace53a2a9db1bc8b48fc1", Type: "application/gzip", StartMS: 1234, MS: 1, SavedMS: 20,
	}
	for b.Loop() {
		a.Add(x)
		s.Add(x)
	}
}
