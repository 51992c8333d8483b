//go:build !linux

// Command bench measures cachex beside other proxies, on Linux.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: it needs Linux: its network is a namespace")
	os.Exit(2)
}
