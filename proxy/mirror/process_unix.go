//go:build unix

package mirror

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// flockFile takes an exclusive flock(2) if nobody has one. The kernel gives it
// back when its holder dies.
func flockFile(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// ownGroup makes a command and what it starts end together, when its context
// does. A terminal's Ctrl-C is for the build alone.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
}
