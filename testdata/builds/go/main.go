// Command build is a program with a few dependencies.
package main

import "github.com/spf13/cobra"

func main() {
	_ = (&cobra.Command{Use: "build", Run: func(*cobra.Command, []string) {}}).Execute()
}
