//go:build unix

package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// writableParent tells whether a directory that is not there could be made.
func writableParent(dir string) bool {
	for {
		dir = filepath.Dir(dir)
		if _, err := os.Stat(dir); err == nil {
			return unix.Access(dir, unix.W_OK|unix.X_OK) == nil
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}
