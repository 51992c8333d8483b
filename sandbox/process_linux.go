package sandbox

import (
	"errors"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is a child of this one. (os.StartProcess has another one made first, to
// find out whether the kernel has pidfds: half a millisecond of a run's start.)
type process struct {
	pid    int
	mu     sync.Mutex
	reaped bool
}

// Kill ends it. Once it is reaped another one may have its number.
func (p *process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return syscall.ESRCH
	}
	return syscall.Kill(p.pid, syscall.SIGKILL)
}

// wait waits for its end and reaps it. It is called once.
func (p *process) wait() {
	for {
		err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, syscall.EINTR) {
			break // an error means that someone else has reaped it
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
	p.reaped = true
}
