package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// talk is the scripts' client for what is no HTTP: it connects to HOST:PORT,
// sends the other arguments as a line, if there are any, ends its sending side,
// and prints what comes. It fails with 1 when there is no connection, 2 when the
// connection is reset and 3 when nothing comes.
func talk() {
	os.Exit(runTalk(os.Args[1:]))
}

func runTalk(args []string) int {
	c, err := net.DialTimeout("tcp", args[0], 30*time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, "talk:", err)
		return 1
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if len(args) > 1 {
		fmt.Fprintln(c, strings.Join(args[1:], " "))
		c.(*net.TCPConn).CloseWrite()
	}
	n, err := io.Copy(os.Stdout, c)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "talk:", err)
		return 2
	case n == 0:
		return 3
	}
	return 0
}
