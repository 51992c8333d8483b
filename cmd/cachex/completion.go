package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newCompletionCommand(io streams) *cobra.Command {
	shells := []string{"bash", "fish", "powershell", "zsh"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the completion of commands and flags for a shell",
		Long: `Print a script that has SHELL (bash, fish, powershell or zsh) complete commands
and flags of cachex. Where it belongs depends on the shell:

  bash        ~/.local/share/bash-completion/completions/cachex
  fish        ~/.config/fish/completions/cachex.fish
  powershell  run by your profile: cachex completion powershell | Out-String |
              Invoke-Expression
  zsh         a file _cachex in a directory of $fpath

EXIT STATUS
  0 success, 1 failure, 2 wrong use

ENVIRONMENT
  No variable has a meaning for it.`,
		Example:   "  cachex completion bash > cachex.bash",
		ValidArgs: shells,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Errorf("one shell is needed: bash, fish, powershell or zsh"), c.CommandPath()}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return c.Root().GenBashCompletionV2(io.out, true)
			case "fish":
				return c.Root().GenFishCompletion(io.out, true)
			case "powershell":
				return c.Root().GenPowerShellCompletionWithDesc(io.out)
			case "zsh":
				return c.Root().GenZshCompletion(io.out)
			}
			err := fmt.Errorf("unknown shell %q: it is bash, fish, powershell or zsh", args[0])
			return &usageError{unknownWord(err, args[0], shells, "%s"), c.CommandPath()}
		},
	}
}
