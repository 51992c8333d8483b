package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/lipgloss"
)

// textReport is the report of some exchanges as a CI log has it.
func textReport(t *testing.T, offline bool, exchanges ...Exchange) string {
	t.Helper()
	a := NewAccount()
	for _, x := range exchanges {
		a.Add(x)
	}
	return written(t, New(Run{Offline: offline}, a, nil))
}

// written is the text of a report.
func written(t *testing.T, r *Report) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "report"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Text(f, r); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func exchange(outcome string, url, reason string) Exchange {
	cause := ""
	if outcome == Miss {
		cause = CauseNew
	}
	return Exchange{Method: "GET", URL: url, Outcome: outcome, Reason: reason, Status: 200, Bytes: 12345, Network: 12345, Cause: cause}
}

// A name is cut only when the line would be longer than the terminal.
func TestHostNames(t *testing.T) {
	fits := "registry12.packages.some-mirror.example"
	long := strings.Repeat("very-long-label.", 8) + "example"
	wide := strings.Repeat("日本語.", 20) + "example"
	out := textReport(t, false,
		exchange(Miss, "https://"+fits+"/a", ""), exchange(Hit, "https://"+fits+"/a", ""),
		exchange(Miss, "https://"+long+"/a", ""), exchange(Miss, "https://"+wide+"/a", ""))
	if !strings.Contains(out, "  "+fits+" ") || !strings.Contains(out, "  very-long") || !strings.Contains(out, "…") {
		t.Errorf("names:\n%s", out)
	}
	for line := range strings.Lines(out) {
		if n := lipgloss.Width(strings.TrimSuffix(line, "\n")); n > reportWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for width := 20; width < 60; width++ {
		for _, name := range []string{fits, long, wide} {
			if s := shorten(name, width); lipgloss.Width(s) > width || !strings.HasSuffix(s, "ple") || !utf8.ValidString(s) {
				t.Errorf("%d: %q", width, s)
			}
		}
	}
}

func TestManyHosts(t *testing.T) {
	var all []Exchange
	for i := range 30 {
		all = append(all, exchange(Miss, fmt.Sprintf("https://registry%d.example/a", i), ""))
	}
	if out := textReport(t, false, all...); strings.Count(out, "registry") != shownHosts || !strings.Contains(out, "\n  and 18 more hosts\n") {
		t.Errorf("%s", out)
	}
}

// What went wrong for one reason stands together; each URL is whole.
func TestIncidents(t *testing.T) {
	url := func(i int) string {
		return fmt.Sprintf("https://registry.example/%s/a-1.0.%d.tgz", strings.Repeat("d", 60), i)
	}
	all := []Exchange{exchange(Error, "https://other.example/x", "no such host")}
	for i := range 25 {
		all = append(all, exchange(Refused, url(i), "offline: not in the cache"))
	}
	all = append(all, all[1])
	out := textReport(t, true, all...)
	for _, want := range []string{
		"\nerror: GET https://other.example/x: no such host\n",
		"\nrefused: offline: not in the cache\n  GET " + url(0) + " (2 times)\n  GET " + url(1) + "\n",
		"\nand 6 more like these; --report json=FILE has all\n",
		"\ncachex: hint: run once without --offline to add what was refused\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out := textReport(t, true, all[1]); !strings.Contains(out, "\nrefused: GET "+url(0)+"\n  offline: not in the cache\n") {
		t.Errorf("one that is too long for a line:\n%s", out)
	}
}
