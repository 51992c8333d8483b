package report

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is written is read again, from a spool and from elsewhere alike, and one that
// is cut anywhere is an error.
func TestJSON(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	s := NewSpool(f)
	defer s.Close()
	a := NewAccount()
	for _, x := range []Exchange{downloaded(Hit, "/a", "1"), downloaded(Miss, "/]}", "2")} {
		a.Add(x)
		s.Add(x)
	}
	var spooled, other strings.Builder
	r := New(Run{Command: []string{"make"}}, a, s)
	if err := WriteJSON(&spooled, r); err != nil {
		t.Fatal(err)
	}
	if err := WriteJSON(&other, &Report{Run: r.Run, Exchanges: s.Exchanges}); err != nil || other.String() != spooled.String() {
		t.Errorf("%v: %q, from a spool %q", err, other.String(), spooled.String())
	}
	read := func(text string) (urls []string, err error) {
		r, err := NewReader(strings.NewReader(text))
		if err != nil {
			return nil, err
		}
		for x, err := range r.Exchanges {
			if err != nil {
				return urls, err
			}
			urls = append(urls, x.URL)
		}
		return urls, nil
	}
	text := spooled.String()
	if urls, err := read(text); err != nil || len(urls) != 2 {
		t.Errorf("%q, %v", urls, err)
	}
	end := strings.LastIndex(text, "]}")
	for n := range end {
		if urls, err := read(text[:n]); err == nil {
			t.Errorf("cut after %d bytes: %q", n, urls)
		}
	}
	if _, err := read(text[:end]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without its end: %v", err)
	}
}
