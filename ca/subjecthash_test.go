package ca

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The fixtures bear the hash that `openssl x509 -subject_hash` (3.0) gives.
// One has a plain subject such as ours; the other has capitals, runs of blanks,
// a letter beyond ASCII, a PrintableString and two attributes in one RDN.
func TestSubjectHash(t *testing.T) {
	files, err := filepath.Glob("testdata/*.pem")
	if err != nil || len(files) != 2 {
		t.Fatalf("fixtures %q, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSuffix(filepath.Base(file), ".pem")
		for der := range certificates(data) {
			c := parsed(t, der)
			if got, err := subjectHash(c.RawSubject); got != want || err != nil {
				t.Errorf("%s: hash %s, %v, want %s", c.Subject, got, err, want)
			}
		}
	}
}

func TestSubjectHashOfGarbage(t *testing.T) {
	for _, raw := range []string{"", "x", "\x30\x02\x05\x00", "\x30\x04\x31\x02\x05\x00"} {
		if got, err := subjectHash([]byte(raw)); err == nil {
			t.Errorf("%q has the hash %s", raw, got)
		}
	}
}
