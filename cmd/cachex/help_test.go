package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// everyCommand calls check with each command and its page.
func everyCommand(t *testing.T, check func(c *cobra.Command, page string)) {
	t.Helper()
	root, seen := newRoot(streams{os.Stdin, os.Stdout, os.Stderr}, new(int)), 0
	root.InitDefaultHelpCmd()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		var b strings.Builder
		writeHelp(&b, c)
		check(c, b.String())
		seen++
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	if seen < 8 {
		t.Fatalf("%d commands", seen)
	}
}

func topicText(t *testing.T, name string) string {
	t.Helper()
	b, err := topicTexts.ReadFile("help/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHelpHasItsSections(t *testing.T) {
	everyCommand(t, func(c *cobra.Command, page string) {
		for _, section := range []string{"USAGE", "FLAGS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT"} {
			if n := strings.Count(page, "\n"+section+"\n  "); n != 1 {
				t.Errorf("help of %s has %d sections %s", c.CommandPath(), n, section)
			}
		}
	})
}

func TestHelpFitsATerminal(t *testing.T) {
	fits := func(name, page string) {
		for line := range strings.SplitSeq(page, "\n") {
			if len([]rune(line)) > helpWidth || strings.TrimRight(line, " \t") != line || strings.Contains(line, "\t") {
				t.Errorf("help of %s: not a line of %d columns: %q", name, helpWidth, line)
			}
		}
	}
	everyCommand(t, func(c *cobra.Command, page string) { fits(c.CommandPath(), page) })
	for _, name := range topicNames() {
		text := topicText(t, name)
		fits(name, text)
		if n := strings.Count(text, "\n"); n < 30 || n > 60 {
			t.Errorf("topic %s has %d lines: it is to be a page", name, n)
		}
	}
}

// Every flag has a variable, and the help of its command names it.
func TestHelpNamesVariables(t *testing.T) {
	everyCommand(t, func(c *cobra.Command, page string) {
		_, environment, _ := strings.Cut(page, "\nENVIRONMENT\n")
		words := strings.FieldsFunc(environment, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
		named := map[string]bool{}
		for _, w := range words {
			named[w] = true
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if v := variable(f); f.Name != "help" && !named[v] {
				t.Errorf("help of %s does not name %s", c.CommandPath(), v)
			}
		})
	})
}

// examplesCommand writes every example of a command and its own commands, of all
// commands but ca and cache ("others"), or of a topic, as printed, to the shell
// script FILE.
func examplesCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: examples COMMAND|others|TOPIC FILE")
	}
	of, file := args[0], args[1]
	var lines []string
	add := func(text, prefix string) {
		for line := range strings.SplitSeq(text, "\n") {
			if line, ok := strings.CutPrefix(line, prefix); ok {
				lines = append(lines, line)
			}
		}
	}
	root := newRoot(streams{os.Stdin, os.Stdout, os.Stderr}, new(int))
	root.InitDefaultHelpCmd()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		add(c.Example, "  ")
		for _, sub := range c.Commands() {
			if of != "others" || sub.Name() != "ca" && sub.Name() != "cache" {
				walk(sub)
			}
		}
	}
	if b, err := topicTexts.ReadFile("help/" + of + ".txt"); err == nil {
		add(string(b), "  $ ")
	} else if of == "others" {
		walk(root)
	} else {
		c, _, err := root.Find([]string{of})
		ts.Check(err)
		walk(c)
	}
	if len(lines) < 2 {
		ts.Fatalf("%d examples of %s", len(lines), of)
	}
	ts.Check(os.WriteFile(ts.MkAbs(file), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}
