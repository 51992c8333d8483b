package report

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// The summary of a job on GitHub: Markdown in the file that $GITHUB_STEP_SUMMARY
// names. All runs of a step share 1 MiB; what is over that loses the whole summary.

// summaryHosts and summaryURLs bound the tables, summaryURL a line: together under
// 200 kB, as an escaped letter takes up to six bytes.
const (
	summaryHosts = 50
	summaryURLs  = 100
	summaryURL   = 200
)

// WriteGitHub writes a job summary: the totals, a table by host, what was refused or
// failed, and, folded, what was fetched.
func WriteGitHub(w io.Writer, r *Report) error {
	failed, fetched := &summaryTable{}, &summaryTable{}
	for x, err := range r.Exchanges {
		switch {
		case err != nil:
			return err
		case x.Outcome == Refused || x.Outcome == Error:
			failed.add(x)
		case x.Outcome == Miss:
			fetched.add(x)
		}
	}
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "### cachex: %s\n\n", code(r.commandLine()))
	fmt.Fprintf(b, "%s, exit status %d: %s\n\n", (time.Duration(r.MS) * time.Millisecond).Round(100*time.Millisecond), r.Exit, counted(r.Totals))
	fmt.Fprintf(b, "%s from the cache, %s from the network", Size(r.Totals.BytesCache), Size(r.Totals.BytesNetwork))
	if r.Totals.SavedMS >= 100 {
		fmt.Fprintf(b, "; about %s of waiting saved", (time.Duration(r.Totals.SavedMS) * time.Millisecond).Round(100*time.Millisecond))
	}
	b.WriteString("\n\n")
	writeSummaryHosts(b, r.Hosts)
	failed.write(b, "Refused or failed", true)
	fetched.write(b, "Fetched and kept", false)
	return b.Flush()
}

// counted is a line of counts, without those that are zero.
func counted(c Counts) string {
	words := []string{humanize.Comma(int64(c.Requests)) + " requests"}
	if c.Requests == 1 {
		words[0] = "1 request"
	}
	for _, n := range []struct {
		count int
		word  string
	}{{c.Hit, Hit}, {c.Revalidated, Revalidated}, {c.Stale, Stale}, {c.Miss, Miss}, {c.Pass, Pass}, {c.Tunnel, Tunnel}, {c.Refused, Refused}, {c.Error, Error}} {
		if n.count > 0 {
			words = append(words, humanize.Comma(int64(n.count))+" "+n.word)
		}
	}
	return strings.Join(words, ", ")
}

func writeSummaryHosts(b *bufio.Writer, hosts []HostCounts) {
	if len(hosts) == 0 {
		return
	}
	b.WriteString("| host | requests | from the cache | fetched | other | cache | network |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, h := range hosts[:min(len(hosts), summaryHosts)] {
		served := h.Hit + h.Revalidated + h.Stale
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %s | %s |\n", code(h.Host), h.Requests, served, h.Miss, h.Requests-served-h.Miss,
			Size(h.BytesCache), Size(h.BytesNetwork))
	}
	if n := len(hosts) - summaryHosts; n > 0 {
		fmt.Fprintf(b, "\nand %s more hosts\n", humanize.Comma(int64(n)))
	}
	b.WriteString("\n")
}

// summaryTable has the first of its exchanges, and counts all.
type summaryTable struct {
	rows []Exchange
	all  int
}

func (t *summaryTable) add(x Exchange) {
	if t.all++; len(t.rows) < summaryURLs {
		t.rows = append(t.rows, x)
	}
}

func (t *summaryTable) write(b *bufio.Writer, title string, open bool) {
	if t.all == 0 {
		return
	}
	attribute := ""
	if open {
		attribute = " open"
	}
	fmt.Fprintf(b, "<details%s><summary>%s: %s</summary>\n\n| URL | why | bytes |\n| --- | --- | ---: |\n", attribute, title, humanize.Comma(int64(t.all)))
	for _, x := range t.rows {
		fmt.Fprintf(b, "| %s | %s | %s |\n", code(x.Method+" "+x.URL), markdown(cut(x.why())), Size(x.Bytes))
	}
	if n := t.all - len(t.rows); n > 0 {
		fmt.Fprintf(b, "\nand %s more: the json report has all\n", humanize.Comma(int64(n)))
	}
	b.WriteString("\n</details>\n\n")
}

// markdown is text as it is, in a cell of a table or elsewhere: no mark-up, no tag,
// and no link. A reference to a character never has a meaning (CommonMark 0.31
// section 2.5).
func markdown(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r < ' ' || r == 0x7f:
			b.WriteByte(' ')
		case strings.ContainsRune("\\`*_{}[]()#+!|~^$:@", r):
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteString(html.EscapeString(string(r)))
		}
	}
	return strings.ReplaceAll(b.String(), "www.", "www&#46;")
}

// code is text in a fixed font. It also keeps @names and #numbers from becoming
// links, which are made after references to characters are resolved.
func code(s string) string { return "<code>" + markdown(cut(s)) + "</code>" }

// cut keeps what is too long for a line from filling the page.
func cut(s string) string {
	letters := []rune(s)
	if len(letters) <= summaryURL {
		return s
	}
	return string(letters[:summaryURL-1]) + "…"
}
