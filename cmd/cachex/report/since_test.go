package report

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"
)

func sequence(list ...Exchange) iter.Seq2[Exchange, error] {
	return func(yield func(Exchange, error) bool) {
		for _, x := range list {
			if !yield(x, nil) {
				return
			}
		}
	}
}

func downloaded(outcome, url, digest string) Exchange {
	return Exchange{Method: "GET", URL: "https://registry.example" + url, Outcome: outcome, Status: 200, SHA256: digest, Bytes: 1}
}

func TestCompare(t *testing.T) {
	earlier := Run{Started: time.Date(2026, 11, 26, 16, 0, 0, 0, time.UTC), MS: 1000}
	was := sequence(downloaded(Miss, "/same", "1"), downloaded(Miss, "/changed", "1"), downloaded(Pass, "/unknown", ""), downloaded(Miss, "/gone", "1"),
		downloaded(Refused, "/refused", ""), downloaded(Miss, "/same", "1"))
	is := sequence(downloaded(Hit, "/same", "1"), downloaded(Miss, "/changed", "2"), downloaded(Miss, "/unknown", "2"), downloaded(Hit, "/new", "1"),
		downloaded(Hit, "/new", "1"), downloaded(Error, "/failed", ""), downloaded(Refused, "/refused", ""),
		Exchange{Method: "POST", URL: "https://registry.example/post", Outcome: Pass, Status: 200})
	s, err := Compare(earlier, was, is)
	if err != nil {
		t.Fatal(err)
	}
	if s.New != 1 || s.Changed != 1 || s.Gone != 1 || len(s.NewURLs) != 1 || !strings.HasSuffix(s.NewURLs[0], "/new") ||
		len(s.ChangedURLs) != 1 || !strings.HasSuffix(s.ChangedURLs[0], "/changed") || s.MS != 1000 || !s.Started.Equal(earlier.Started) {
		t.Errorf("%+v", s)
	}
	broken := func(yield func(Exchange, error) bool) { yield(Exchange{}, errors.New("cut")) }
	if _, err := Compare(earlier, broken, is); err == nil {
		t.Error("a record that is cut was compared")
	}
	var many []Exchange
	for i := range 100 {
		many = append(many, downloaded(Miss, fmt.Sprintf("/%d", i), "1"))
	}
	if s, err := Compare(earlier, sequence(), sequence(many...)); err != nil || s.New != 100 || len(s.NewURLs) != maxSince {
		t.Errorf("%+v, %v", s, err)
	}
}

// The text says why something was fetched, what was the largest, and what is new.
func TestWhy(t *testing.T) {
	a := NewAccount()
	add := func(cause string, n, bytes int) {
		for i := range n {
			a.Add(Exchange{Method: "GET", URL: fmt.Sprintf("https://registry.example/%s/%d", cause, i), Outcome: Miss, Status: 200, Cause: cause,
				Reason: "some reason", Bytes: int64(bytes), Network: int64(bytes), MS: int64(i)})
		}
	}
	add(CauseNew, 12, 1000)
	add(CauseUnchanged, 5, 200_000)
	add(CauseRemoved, 1, 10)
	add("", 1, 10)
	run := Run{Started: time.Date(2026, 11, 27, 16, 0, 0, 0, time.UTC), Since: &Since{
		Started: time.Date(2026, 11, 26, 16, 0, 0, 0, time.UTC), New: 7, Gone: 1200,
		NewURLs: []string{"https://registry.example/1", "https://registry.example/2", "https://registry.example/3", "https://registry.example/4", "https://registry.example/5", "https://registry.example/6"},
	}}
	out := written(t, New(run, a, nil))
	for _, want := range []string{
		"\nfetched: 12 × for the first time, 12 kB\n",
		"\nfetched: 5 × stale, and the same bytes came again, 1.0 MB\n  https://registry.example/unchanged/0\n  https://registry.example/unchanged/1\n  https://registry.example/unchanged/2\n  and 2 more\n",
		"\nfetched: 1 × again, as the file was removed from the cache, 10 B\n  https://registry.example/removed/0\n",
		"\nfetched: 1 × (some reason), 10 B\n",
		"\nslowest and largest downloads:\n     4 ms    200 kB  https://registry.example/unchanged/4\n",
		"\ncompared: with the run 1 day before: 7 new, 1,200 no more asked for\n  new      https://registry.example/1\n",
		"\n  and 2 more new\n",
		"\ncachex: hint: 1.0 MB came again in vain, as the server gives no validators",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "registry.example/new/0\n") {
		t.Errorf("what is new and small is named:\n%s", out)
	}
	for line := range strings.Lines(out) {
		if len(strings.TrimSuffix(line, "\n")) > reportWidth+strings.Count(line, "×") {
			t.Errorf("longer than %d columns: %s", reportWidth, line)
		}
	}
}

// A run without requests has nothing to say.
func TestNothing(t *testing.T) {
	if out := written(t, New(Run{}, NewAccount(), nil)); out != "" {
		t.Errorf("%q", out)
	}
	var b strings.Builder
	if err := Line(&b, New(Run{}, NewAccount(), nil)); err != nil || b.Len() > 0 {
		t.Errorf("%q, %v", b.String(), err)
	}
	a := NewAccount()
	a.Add(downloaded(Hit, "/a", ""))
	if err := Line(&b, New(Run{}, a, nil)); err != nil || b.String() != "cachex: 1 request, 1 hit; 1 B from the cache, 0 B from the network\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
