package main

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Help for people: one page for each command, in one order, and the topics of
// help/*.txt. A line of a topic that begins with two spaces and "$ " is a command
// that works as printed; a test runs each, and each line of a command's examples.

// helpWidth is what every terminal has.
const helpWidth = 80

//go:embed help/*.txt
var topicTexts embed.FS

// topics are what "cachex help" explains beside the commands.
var topics = [...]struct{ name, short string }{
	{"cache-directory", "Where files are kept, and what you may do to them"},
	{"ci", "Keep the downloads of CI jobs between jobs"},
	{"config", "Settings in a file, and rules for odd servers"},
	{"containers", "Builds in containers, and builds that make containers"},
	{"layers", "A cache on top of others: a team's, or what one build adds"},
	{"lock", "Name what a build receives, and refuse all else"},
	{"offline", "Build with no network, and what is missing then"},
	{"policies", "What is kept how long, and when a server is asked again"},
	{"reports", "What is told of a run, and in which formats"},
}

func topicNames() []string {
	var names []string
	for _, t := range topics {
		names = append(names, t.name)
	}
	return names
}

func newHelpCommand(io streams) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND|TOPIC]",
		Short: "Explain a command or a topic",
		Long: `Explain a command, as "COMMAND --help" does, or one of the topics that
"cachex help" lists.

EXIT STATUS
  0 success, 2 there is no such command or topic

ENVIRONMENT
  No variable has a meaning for it.`,
		Example: "  cachex help run\n  cachex help ca install\n  cachex help cache-directory",
		ValidArgsFunction: func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return slices.Concat(commandNames(c.Root()), topicNames()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && slices.Contains(topicNames(), args[0]) {
				text, err := topicTexts.ReadFile("help/" + args[0] + ".txt")
				if err != nil {
					return err
				}
				_, err = io.out.Write(text)
				return err
			}
			of, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				if err == nil {
					args = rest
				}
				known := commandNames(of)
				if of == c.Root() {
					known = slices.Concat(known, topicNames())
				}
				err := fmt.Errorf("no command or topic %q", args[0])
				return &usageError{unknownWord(err, args[0], known, strings.Replace(of.CommandPath(), "cachex", "cachex help", 1)+" %s"), "cachex help"}
			}
			return of.Help()
		},
	}
}

// listed tells whether a command is one for people. Cobra takes help for none.
func listed(c *cobra.Command) bool { return c.IsAvailableCommand() || c.Name() == "help" }

// writeHelp prints a command's page: what it is, how it is called, and then the
// sections that its long text ends with.
func writeHelp(w io.Writer, c *cobra.Command) {
	c.InitDefaultHelpFlag()
	about, sections, _ := strings.Cut(c.Long, "\nEXIT STATUS\n")
	fmt.Fprintf(w, "%s\n\nUSAGE\n", strings.TrimSpace(about))
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s COMMAND\n\nCOMMANDS\n", c.CommandPath())
		for _, sub := range c.Commands() {
			if listed(sub) {
				fmt.Fprintf(w, "  %-16s %s\n", sub.Name(), sub.Short)
			}
		}
	} else {
		fmt.Fprintf(w, "  %s\n", c.UseLine())
	}
	if !c.HasParent() {
		fmt.Fprint(w, "\nADDITIONAL HELP TOPICS (cachex help TOPIC)\n")
		for _, t := range topics {
			fmt.Fprintf(w, "  %-16s %s\n", t.name, t.short)
		}
	}
	fmt.Fprintf(w, "\nFLAGS\n%s", c.Flags().FlagUsagesWrapped(helpWidth))
	if c.Example != "" {
		fmt.Fprintf(w, "\nEXAMPLES\n%s\n", c.Example)
	}
	fmt.Fprintf(w, "\nEXIT STATUS\n%s\n", strings.TrimRight(sections, "\n"))
}
