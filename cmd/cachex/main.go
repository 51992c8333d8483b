// Command cachex runs a build in a sandbox whose only way to the network is a
// caching proxy inside cachex.
package main

import (
	"os"

	"cachex/sandbox"
)

func main() {
	sandbox.Main() // returns, unless this process is a sandbox's first
	sandbox.ContainerMain(trustInside)
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}
