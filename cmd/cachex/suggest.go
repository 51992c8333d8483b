package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Mistyped words: the error says what is wrong, the hint what was likely meant.
// Where nothing is near, nothing is suggested.

// hintedError is an error and what to do about it; the exit status is that of
// the error around it, or within it.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// unknownWord is an error about a word that is none of known. The hint is the
// nearest of them in format.
func unknownWord(err error, word string, known []string, format string) error {
	if meant := nearest(word, known); meant != "" {
		return &hintedError{err, fmt.Sprintf("did you mean "+format+"?", meant)}
	}
	return err
}

// nearest is the one of known that a word was likely meant to be, "" when none
// is near. One slip in three letters is near: more would make an unknown word of
// three or four letters any other.
func nearest(word string, known []string) string {
	best, limit := "", max(1, len(word)/3)
	for _, k := range known {
		if d := distance(word, k); d <= limit {
			best, limit = k, d-1
		}
	}
	return best
}

// distance counts the letters to be put in, taken out, replaced or swapped with
// their neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// unknownFlag adds to an error about a command's flags the flag that was meant.
func unknownFlag(c *cobra.Command, err error) error {
	wrong := &usageError{err: err, command: c.CommandPath()}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return wrong
	}
	word := unknown.GetSpecifiedName()
	if letters := unknown.GetSpecifiedShortnames(); len(letters) > 1 {
		word, _, _ = strings.Cut(letters, "=") // -offline
	}
	if run, _, e := c.Root().Find([]string{"run"}); e == nil && c == c.Root() && run.Flags().Lookup(word) != nil {
		wrong.err = &hintedError{err, fmt.Sprintf("--%s is a flag of cachex run", word)}
		return wrong
	}
	var flags []string
	c.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	wrong.err = unknownWord(err, word, flags, "--%s")
	return wrong
}

// unknownCommand is the error for a command line whose first word is no command.
// It may be the build's: "run --" is easily forgotten.
func unknownCommand(c *cobra.Command, args []string) error {
	wrong := &usageError{fmt.Errorf("unknown command %q", args[0]), c.CommandPath()}
	if c.HasParent() {
		wrong.err = unknownWord(wrong.err, args[0], commandNames(c), c.CommandPath()+" %s")
		return wrong
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		switch meant := nearest(args[0], commandNames(c)); {
		case meant != "":
			wrong.err = &hintedError{wrong.err, "did you mean cachex " + meant + "?"}
			return wrong
		case slices.Contains(topicNames(), args[0]):
			wrong.err = &hintedError{wrong.err, "cachex help " + args[0] + " explains it"}
			return wrong
		}
	}
	wrong.err = &hintedError{wrong.err, "to run a command: cachex run -- " + commandLine(args) + "; see cachex --help"}
	return wrong
}

// commandNames are those of a command's own commands.
func commandNames(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if listed(sub) {
			names = append(names, sub.Name())
		}
	}
	return names
}

// commandLine writes arguments so that they can be pasted into a shell. Secrets,
// what a terminal would not show as it is, and more than two lines are not
// repeated.
func commandLine(args []string) string {
	if !slices.Equal(args, withoutSecrets(args)) {
		return "COMMAND"
	}
	plain := regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`) // needs no quotes
	words := make([]string, len(args))
	for i, a := range args {
		if strings.ContainsFunc(a, func(r rune) bool { return r < ' ' || r > '~' }) {
			return "COMMAND"
		}
		words[i] = a
		if !plain.MatchString(a) {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	if line := strings.Join(words, " "); len(line) <= 2*helpWidth {
		return line
	}
	return "COMMAND"
}
