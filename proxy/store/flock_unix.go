//go:build unix

package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// flockFile takes an exclusive flock(2) if nobody has one.
func flockFile(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
