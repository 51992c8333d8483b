//go:build unix

package mirror

import (
	"os"

	"golang.org/x/sys/unix"
)

// flockFile takes an exclusive flock(2) if nobody has one. The kernel gives it
// back when its holder dies.
func flockFile(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
