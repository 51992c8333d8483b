package sandbox

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// terminal is the controlling terminal and a process group that had it in the
// foreground.
type terminal struct {
	fd    int // -1 when there is none
	group int
}

// controlling finds the terminal with its present foreground group.
func controlling() terminal {
	for fd := range 3 {
		if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil {
			return terminal{fd, group}
		}
	}
	return terminal{fd: -1}
}

// foreground looks for the terminal that this process group owns. A shell in
// the sandbox takes it for its own group and can't give it back: the group is
// not in its pid namespace.
func foreground() terminal {
	if t := controlling(); t.group == unix.Getpgrp() {
		return t
	}
	return terminal{fd: -1}
}

// sandboxTerminal is the terminal if a group of the sandbox owns it.
func sandboxTerminal(pids string) terminal {
	t := controlling()
	if t.fd < 0 {
		return t
	}
	owner, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", t.group))
	if err != nil || owner != pids {
		return terminal{fd: -1}
	}
	return t
}

// restore takes the terminal back from a group that has ended.
func (t terminal) restore() {
	if t.fd < 0 {
		return
	}
	now, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	if err != nil || now == t.group || unix.Kill(-now, 0) != unix.ESRCH {
		return // someone else who lives has it
	}
	t.set()
}

// give puts the group into the foreground again, if this process's group is
// there and may.
func (t terminal) give() {
	if t.fd < 0 {
		return
	}
	if now, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP); err == nil && now == unix.Getpgrp() {
		t.set()
	}
}

func (t terminal) set() {
	// A background process that sets the group is stopped by SIGTTOU otherwise.
	if !signal.Ignored(syscall.SIGTTOU) {
		signal.Ignore(syscall.SIGTTOU)
		defer signal.Reset(syscall.SIGTTOU)
	}
	unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, t.group) // as good as it gets
}
