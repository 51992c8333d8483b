package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestManualHasEveryPage(t *testing.T) {
	dir := t.TempDir()
	root := newRoot(streams{os.Stdin, os.Stdout, os.Stderr}, new(int))
	if err := writeManual(dir, root, "2026-11-25"); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	everyCommand(t, func(c *cobra.Command, page string) {
		if !c.Hidden {
			want[filepath.Join("man1", manName(c)+".1")] = true
		}
	})
	for _, name := range topicNames() {
		want[filepath.Join("man7", "cachex-"+name+".7")] = true
	}
	found, err := filepath.Glob(filepath.Join(dir, "man?", "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, path := range found {
		name, _ := filepath.Rel(dir, path)
		if !want[name] {
			t.Errorf("a page %s", name)
		}
		delete(want, name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	if len(want) > 0 {
		t.Errorf("no pages %v", want)
	}
	// What SEE ALSO names is there.
	for line := range strings.SplitSeq(all, "\n") {
		if ref, ok := strings.CutPrefix(line, ".BR "); ok {
			name, section, _ := strings.Cut(strings.TrimRight(ref, "),"), " (")
			path := filepath.Join(dir, "man"+section, strings.ReplaceAll(name, `\`, "")+"."+section)
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestRoff(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"prose", "One\nand two.\n\nThree.", "One\nand two.\n.PP\nThree.\n"},
		{"requests", ".so x\n'br\n\\fB a-b", "\\&.so x\n\\(aqbr\n\\efB a\\-b\n"},
		{"heading", "A.\n\nFILES\n  B.", "A.\n.SH FILES\nB.\n"},
		{"heading first", "FILES\n  B.\n\n  C.", ".SH FILES\nB.\n.PP\nC.\n"},
		{"terms", "N:\n\n  one  first\n       more\n  two  second", "N:\n.TP\n.B one\nfirst\nmore\n.TP\n.B two\nsecond\n"},
		{"terms after prose", "S\n  plain\n  1  one", ".SH S\nplain\n.TP\n.B 1\none\n"},
		{"literal", "S\n  So:\n\n    a b\n      c", ".SH S\nSo:\n.PP\n.in +2n\n.nf\na b\n  c\n.fi\n.in\n"},
		{"commands", "So:\n\n  $ a\n  $ b", "So:\n.PP\n.in +2n\n.nf\n$ a\n$ b\n.fi\n.in\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := roffSections(c.text); got != c.want {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}
