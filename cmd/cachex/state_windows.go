package main

import "os"

// asksForState tells of no signal: this system has none to spare.
func asksForState(os.Signal) bool { return false }

// endBy does to this process what a signal does that nobody catches.
func endBy(os.Signal) {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
}
