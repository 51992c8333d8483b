//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// talk is the scripts' client for what is no HTTP: it connects to HOST:PORT,
// sends the other arguments as a line, ends its sending side, and prints what
// comes. Without any it says nothing and prints one line. It fails with 1 when there is no connection, 2 when the
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
	var from io.Reader = c
	if len(args) == 1 {
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil && err != io.EOF {
			fmt.Fprintln(os.Stderr, "talk:", err)
			return 2
		}
		from = strings.NewReader(line)
	}
	n, err := io.Copy(os.Stdout, from)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "talk:", err)
		return 2
	case n == 0:
		return 3
	}
	return 0
}

// listen is the scripts' server: it listens on HOST:PORT, greets every client
// with a text, then sends back what it gets until the end, and runs the rest of
// its arguments meanwhile.
//
//	listen HOST:PORT TEXT COMMAND ARG...
func listen() {
	os.Exit(runListen(os.Args[1:]))
}

func runListen(args []string) int {
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, "listen:", err)
		return 1
	}
	go greet(l, args[1])
	c := exec.Command(args[2], args[3:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "listen:", err)
		return 1
	}
	return 0
}

func greet(l net.Listener, text string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			fmt.Fprintln(c, text)
			io.Copy(c, c)
		}()
	}
}

// hostServers give scripts four ports of the host: $GREETER and $GREETER6 greet
// with "hello from outside" at 127.0.0.1 and at ::1, $CLOSED has no listener and
// can have none, and $FREE can be listened on.
func hostServers(env *testscript.Env) error {
	for name, at := range map[string]string{"GREETER": "127.0.0.1:0", "GREETER6": "[::1]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		env.Defer(func() { l.Close() })
		go greet(l, "hello from outside")
		env.Setenv(name, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	for name, shared := range map[string]int{"CLOSED": 0, "FREE": 1} {
		port, err := reserve(env, shared)
		if err != nil {
			return err
		}
		env.Setenv(name, strconv.Itoa(port))
	}
	return nil
}

// reserve binds a port at every address, so that no other test gets it, nor a
// connection. A shared one can be listened on nevertheless (SO_REUSEADDR,
// socket(7)).
func reserve(env *testscript.Env, shared int) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	env.Defer(func() { syscall.Close(fd) })
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, shared); err != nil {
		return 0, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{}); err != nil {
		return 0, err
	}
	a, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return a.(*syscall.SockaddrInet4).Port, nil
}
