//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// asChild says that a test is to do what its child process does.
const asChild = "CACHEX_TEST_SIGNALS"

// Signals go to the command, and to cachex itself where there is none: before it has
// begun as after its end.
func TestSignals(t *testing.T) {
	if as := os.Getenv(asChild); as != "" {
		signalled(as)
		return
	}
	for _, as := range []string{"before", "after"} {
		c := exec.Command(os.Args[0], "-test.run=^TestSignals$")
		c.Env = append(os.Environ(), asChild+"="+as)
		var ended *exec.ExitError
		if err := c.Run(); !errors.As(err, &ended) {
			t.Fatalf("%s: %v", as, err)
		}
		if status := ended.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
			t.Errorf("%s: the end is %v, want that of the signal", as, ended)
		}
	}
}

// signalled is ended by SIGTERM, after one that was passed on.
func signalled(as string) {
	s := catchSignals()
	if as == "after" {
		got := make(chan os.Signal, 1)
		s.passTo(func(sig os.Signal) { got <- sig })
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
		if sig := <-got; sig != syscall.SIGTERM {
			os.Exit(1)
		}
		s.passTo(nil)
	}
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	time.Sleep(time.Minute)
}
