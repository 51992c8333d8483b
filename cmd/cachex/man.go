package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const manLong = `Write the manual pages of every command (section 1) and topic (section 7) below
DIR, in man1 and man7, so that DIR can be a directory of MANPATH. They are made
from what "cachex help" prints.

EXIT STATUS
  0 success, 1 failure, 2 wrong use

ENVIRONMENT
  SOURCE_DATE_EPOCH is the pages' date, in seconds since 1970; else it is today.`

// newManCommand is for those who make packages; "cachex help" does not list it.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual pages", Long: manLong, Hidden: true,
		Example: "  cachex man ./share/man",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{errors.New("one directory is needed"), c.CommandPath()}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			date := time.Now()
			if v := os.Getenv("SOURCE_DATE_EPOCH"); v != "" {
				seconds, err := strconv.ParseInt(v, 10, 64)
				if err != nil {
					return &usageError{fmt.Errorf("SOURCE_DATE_EPOCH: %w", err), c.CommandPath()}
				}
				date = time.Unix(seconds, 0)
			}
			return writeManual(args[0], c.Root(), date.UTC().Format(time.DateOnly))
		},
	}
}

// writeManual writes a page for each command below root that is listed, and for
// each topic.
func writeManual(dir string, root *cobra.Command, date string) error {
	root.InitDefaultHelpCmd()
	var write func(c *cobra.Command) error
	write = func(c *cobra.Command) error {
		if err := writePage(dir, "1", manName(c), date, commandPage(c)); err != nil {
			return err
		}
		for _, sub := range c.Commands() {
			if listed(sub) {
				if err := write(sub); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := write(root); err != nil {
		return err
	}

	for _, t := range topics {
		page, err := topicPage(t.name, t.short)
		if err != nil {
			return err
		}
		if err := writePage(dir, "7", "cachex-"+t.name, date, page); err != nil {
			return err
		}
	}
	return nil
}

func writePage(dir, section, name, date, body string) error {
	dir = filepath.Join(dir, "man"+section)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	head := fmt.Sprintf(".TH %s %s %s \"cachex %s\" \"cachex manual\"\n.nh\n.ad l\n", strings.ToUpper(name), section, date, version())
	return os.WriteFile(filepath.Join(dir, name+"."+section), []byte(head+body), 0o644)
}

// manName is the name of a command's page, as in "man cachex-ca-install".
func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func manHead(name, short string) string {
	first := []rune(short)
	first[0] = unicode.ToLower(first[0])
	return ".SH NAME\n" + roffText(name) + ` \- ` + roffText(string(first)) + "\n"
}

// commandPage is a command's page after its title. Sections come in the order
// of man-pages(7).
func commandPage(c *cobra.Command) string {
	c.InitDefaultHelpFlag()
	about, sections, _ := strings.Cut(c.Long, "\nEXIT STATUS\n")
	var b strings.Builder
	b.WriteString(manHead(manName(c), c.Short) + ".SH SYNOPSIS\n")
	related := []string{}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, ".B %s\n.I COMMAND\n", c.CommandPath())
	} else {
		fmt.Fprintf(&b, ".B %s\n%s\n", c.CommandPath(), roffText(strings.TrimSpace(strings.TrimPrefix(c.UseLine(), c.CommandPath()))))
	}
	b.WriteString(".SH DESCRIPTION\n" + roffSections(about))
	if c.HasAvailableSubCommands() {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range c.Commands() {
			if listed(sub) {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s.\n", roffText(sub.Name()), roffText(sub.Short))
				related = append(related, manName(sub)+"(1)")
			}
		}
	}
	b.WriteString(".SH OPTIONS\n")
	c.Flags().VisitAll(func(f *pflag.Flag) { b.WriteString(roffFlag(f)) })
	b.WriteString(roffSections("EXIT STATUS\n" + sections))
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n" + roffLiteral(strings.Split(c.Example, "\n")))
	}
	if c.HasParent() {
		related = append(related, manName(c.Parent())+"(1)")
	}
	for _, t := range topics {
		related = append(related, "cachex-"+t.name+"(7)")
	}
	b.WriteString(roffRelated(related))
	return b.String()
}

func topicPage(name, short string) (string, error) {
	text, err := topicTexts.ReadFile("help/" + name + ".txt")
	if err != nil {
		return "", err
	}
	related := []string{"cachex(1)", "cachex-run(1)"}
	for _, t := range topics {
		if t.name != name {
			related = append(related, "cachex-"+t.name+"(7)")
		}
	}
	return manHead("cachex-"+name, short) + ".SH DESCRIPTION\n" + roffSections(string(text)) + roffRelated(related), nil
}
