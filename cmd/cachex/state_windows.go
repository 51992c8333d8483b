package main

import "os"

// asksForState tells of no signal: this system has none to spare.
func asksForState(os.Signal) bool { return false }
