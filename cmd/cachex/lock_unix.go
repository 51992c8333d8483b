//go:build unix

package main

import (
	"os"
	"syscall"
	"time"
)

// alone keeps other runs from writing a lock of the same folder until the function
// that it returns is called. It holds the folder itself, so that nothing is left
// there. Where that can't be had, as on some network's file system, or not within
// some seconds, it does without.
func alone(folder string) func() {
	f, err := os.Open(folder)
	if err != nil {
		return func() {}
	}
	for range 500 {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != syscall.EWOULDBLOCK {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func() { f.Close() }
}
