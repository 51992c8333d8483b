package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	table "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
)

// stepSummary is what GitHub takes of all summaries of a step.
const stepSummary = 1 << 20

// parsed is the summary as a reader of GitHub's Markdown sees it, and its HTML.
func parsed(t *testing.T, b []byte) (ast.Node, string) {
	t.Helper()
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe()))
	var page bytes.Buffer
	if err := md.Convert(b, &page); err != nil {
		t.Fatal(err)
	}
	return md.Parser().Parse(text.NewReader(b)), page.String()
}

func TestGitHub(t *testing.T) {
	b := inFormat(t, WriteGitHub, reportOf(t, sample()...))
	doc, page := parsed(t, b)
	rows := []int{}
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n.Kind() {
		case table.KindTable:
			rows = append(rows, n.ChildCount()-1)
		case table.KindTableRow:
			if cells := n.ChildCount(); cells != len(n.Parent().(*table.Table).Alignments) {
				t.Errorf("a row of %d cells:\n%s", cells, b)
			}
		case ast.KindLink, ast.KindAutoLink, ast.KindImage, ast.KindCodeSpan, ast.KindEmphasis, table.KindStrikethrough:
			t.Errorf("a URL is taken for %s:\n%s", n.Kind(), page)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Hosts, what was refused or failed, what was fetched.
	if want := []int{3, 2, 11}; fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Errorf("tables of %v rows, want %v:\n%s", rows, want, b)
	}
	for _, want := range []string{
		"<code>GET https://registry.example/a`|&lt;b&gt;[c](d)*</code>", "<details><summary>Fetched and kept: 11</summary>",
		"npm ci 'a &quot;b&quot; &lt;c&gt; &amp; | `d`'</code></h3>", "1 refused, 1 error",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	if strings.Contains(page, "<b>") || strings.Contains(page, "<c>") {
		t.Errorf("a tag of a URL:\n%s", page)
	}
}

// Whatever a run asks for, its summary leaves room for those of others.
func TestGitHubIsBounded(t *testing.T) {
	var all []Exchange
	for i := range 5000 {
		all = append(all, Exchange{
			Method: strings.Repeat("|", 300), URL: fmt.Sprintf("https://%d.example/%s", i, strings.Repeat("`", 5000)), Outcome: []string{Miss, Refused}[i%2],
			Reason: strings.Repeat("|", 5000),
		})
	}
	b := inFormat(t, WriteGitHub, reportOf(t, all...))
	if len(b) > stepSummary/2 || len(b) < 1000 {
		t.Errorf("%d bytes", len(b))
	}
	for _, want := range []string{"and 2,400 more: the json report has all", "and 4,950 more hosts"} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("no %q", want)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{"https://a.example/b|c", "`x`", "<script>", "[a](b)", "www.a.example", "a@b.example", "~~x~~", "\\|", "&amp;", "\x00\xff", "* a", "# b", "| - |"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		source := []byte("| a | b |\n| - | - |\n| " + markdown(s) + " | " + code(s) + " |\n")
		doc, page := parsed(t, source)
		err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			switch n.Kind() {
			case ast.KindDocument, table.KindTable, table.KindTableHeader, table.KindTableRow, table.KindTableCell, ast.KindText, ast.KindString, ast.KindRawHTML:
				return ast.WalkContinue, nil
			}
			return ast.WalkStop, fmt.Errorf("%q has %s", s, n.Kind())
		})
		if err != nil {
			t.Fatalf("%v:\n%s", err, page)
		}
		if n := strings.Count(page, "<"); n != 20 {
			t.Fatalf("%q is in %d tags and not 20:\n%s", s, n, page)
		}
	})
}
