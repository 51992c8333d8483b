package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScripts: every head can be read, and every script has its three functions.
func TestScripts(t *testing.T) {
	clients, err := readClients(".", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(clients) < 50 {
		t.Errorf("only %d clients", len(clients))
	}
	quick := 0
	for _, c := range clients {
		b, err := os.ReadFile(c.name + ".sh")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{"install() {", "version() {", "get() {"} {
			if !strings.Contains("\n"+string(b), "\n"+f) {
				t.Errorf("%s.sh has no %s", c.name, f)
			}
		}
		if c.quick {
			quick++
		}
	}
	if quick == 0 || quick == len(clients) {
		t.Errorf("%d of %d clients are quick", quick, len(clients))
	}
	if _, err := readClients(t.TempDir(), nil, false); err == nil {
		t.Error("no error where there are no clients")
	}
}

func TestWriteTable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(name, []byte("before\n"+tableBegin+"old\n"+tableEnd+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	results := []result{
		{client: client{family: "B", title: "b|c", looks: "l", given: "g"}, version: "b 1.2 (x)", as: []string{"root", "user"}},
		{client: client{family: "A", title: "a", looks: "l", given: "g", refuses: "why"}, version: "1"},
		{client: client{family: "A", title: "z", looks: "l", given: "g"}, missing: "no z"},
	}
	for range 2 { // again and again
		if err := writeTable(name, results); err != nil {
			t.Fatal(err)
		}
	}
	head := "\n\n| client | version | looks in | is given | result |\n| --- | --- | --- | --- | --- |\n"
	want := "before\n" + tableBegin + "\n### A" + head + "| a | 1 | l | g | refuses: why |\n| z |  | l | g | not here: no z |\n" +
		"\n### B" + head + "| b\\|c | b 1.2 | l | g | trusts, as root and user |\n\n" + tableEnd + "after\n"
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%v, the page is\n%s", err, got)
	}
	if err := os.WriteFile(name, []byte("no place\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeTable(name, results); err == nil {
		t.Error("no error for a page without a place")
	}
}
