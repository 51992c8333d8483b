package main

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"run", "run", 0}, {"", "run", 3}, {"run", "", 3},
		{"rnu", "run", 1}, {"rn", "run", 1}, {"runs", "run", 1}, {"ron", "run", 1},
		{"oflline", "offline", 1}, {"artefacts", "artifacts", 1}, {"urn", "nru", 2}, {"mvn", "run", 2},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if a, b := distance(c.a, c.b), distance(c.b, c.a); a != b {
			t.Errorf("distance(%q, %q) = %d, the other way %d", c.a, c.b, a, b)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"ca", "completion", "help", "run", "version"}
	for word, want := range map[string]string{
		"rnu": "run", "versoin": "version", "completions": "completion", "hlep": "help", "": "",
		"npm": "", "mvn": "", "make": "", "cargo": "", "go": "", "pip": "", "bash": "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
