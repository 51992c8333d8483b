package ca

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWithout(t *testing.T) {
	a, err := New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	own, root := string(a.PEM()), string(other.PEM())
	for _, c := range []struct {
		name, data, want string
		found            bool
	}{
		{"nothing of it", root, root, false},
		{"no certificates", "text\n", "text\n", false},
		{"empty", "", "", false},
		{"first", own + root, root, true},
		{"last", root + own, root, true},
		{"last without an end of line", root + strings.TrimSuffix(own, "\n"), root, true},
		{"twice", own + root + own, root, true},
		{"with its name", "# Root\n" + root + "\n# cachex\n" + own + "\n# Root\n" + root, "# Root\n" + root + "\n\n# Root\n" + root, true},
		{"its name at the beginning", "# cachex\n" + own + root, root, true},
		{"alone", own, "", true},
		{"alone with its name", "# cachex\n" + own + "\n", "", true},
	} {
		rest, found := a.Without([]byte(c.data))
		if string(rest) != c.want || found != c.found || c.want == "" && c.found && rest != nil {
			t.Errorf("%s: %q %v", c.name, rest, found)
		}
	}
	store, err := mergeJava(nil, a.PEM(), other.PEM())
	if err != nil {
		t.Fatal(err)
	}
	rest, found := a.Without(store)
	ders, err := storeCertificates(rest, javaPassword)
	if err != nil || !found || len(ders) != 1 || !bytes.Equal(ders[0], other.cert.Raw) {
		t.Errorf("java: %v, %d certificates, %v", found, len(ders), err)
	}
	// A file that only looks like a store stays.
	odd := slices.Concat([]byte("odd"), a.cert.Raw)
	if rest, found := a.Without(odd); found || !bytes.Equal(rest, odd) {
		t.Errorf("odd: %v %q", found, rest)
	}
}
