package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// envName is argv[0] of the first process of an environment.
const envName = "cachex-env"

// NewEnv makes a sandbox for systems that allow none: no namespaces, and one
// listener on this machine's loopback, of which the command's environment has to
// tell it. What the command leaves running is ended all the same: its orphans
// become children of the first process (prctl(2), PR_SET_CHILD_SUBREAPER). The user
// is as New's. The guard is one where the kernel has it (ByGuard). Errors are
// *StepError.
func NewEnv(ctx context.Context, user *User, guard bool) (*Sandbox, error) {
	if user != nil {
		if err := user.Become(); err != nil {
			return nil, err
		}
	}
	l, err := listenLoopback()
	if err != nil {
		return nil, err
	}
	s := &Sandbox{ended: make(chan struct{}), terminal: foreground(), rung: ByVariables, shared: true}
	init, err := s.spawn(envName, &syscall.SysProcAttr{})
	if err != nil {
		l.TCP[0].Close()
		return nil, err
	}
	s.await(ctx, init)
	err = s.link.send(toInit{Setup: &setup{Guard: guard}})
	if err == nil {
		err = s.awaitReady()
	}
	if err != nil {
		l.TCP[0].Close()
		s.Close()
		return nil, err
	}
	s.listeners = l
	return s, nil
}

// runBare is the first process of an environment.
func (p *first) runBare() error {
	var m toInit
	if _, err := p.link.receive(&m); err != nil || m.Setup == nil {
		return &StepError{Step: "read how the environment is to be made", Err: errors.Join(err, errors.New("cachex is gone"))}
	}
	p.how = *m.Setup
	p.bare, p.shared = true, true
	guarded := p.how.Guard && guardVersion() >= guardNet
	if guarded {
		p.guarding = make(chan error, 1)
		go func() { p.guarding <- guard() }()
	}
	if err := adopt(); err != nil {
		return err
	}
	if err := p.link.send(toParent{Ready: &ready{Net: namespaceOf("net"), Pid: namespaceOf("pid"), Guarded: guarded}}); err != nil {
		return &StepError{Step: "report that all is ready", Err: err}
	}
	m = toInit{}
	streams, err := p.link.receive(&m)
	if err != nil || m.Start == nil || len(streams) != 4 {
		return &StepError{Step: "wait for the command", Err: errors.Join(err, errors.New("cachex is gone"))}
	}
	unix.Close(streams[3]) // no private files
	p.scratch = m.Start.Scratch
	defer p.removeScratch()
	if p.guarding != nil {
		if err := <-p.guarding; err != nil {
			return &StepError{Step: "set up the guard", Err: err, Hint: "--sandbox=env has none"}
		}
	}
	p.echoes.watch()
	return p.command(m.Start, streams[:3])
}

// adopt makes the command's orphans children of this process.
func adopt() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return &StepError{Step: "adopt what the command leaves", Err: err}
	}
	return nil
}

// end is for a parent that is gone: nothing of the command may outlive it.
func (p *first) end() {
	if p.shared {
		killRest()
	}
	p.removeScratch()
	os.Exit(1)
}

func (p *first) removeScratch() {
	if p.scratch != "" {
		_ = os.RemoveAll(p.scratch) // the system's cleaner has the rest
	}
}

// blindTries is how often it is tried again when no child is seen in /proc, or
// when those that are may not be killed: another user's, which sudo started.
const blindTries = 100

// killRest kills all children of this process, and theirs, which become its own
// when their parents die, until there are none.
func killRest() {
	for tries := 0; tries < blindTries; {
		killed := false
		for _, pid := range children() {
			if syscall.Kill(pid, syscall.SIGKILL) != nil {
				continue
			}
			killed = true
			// By its number: another thread may have waited for it by now, and any
			// other child may be one that nobody has killed yet.
			syscall.Wait4(pid, nil, syscall.WALL, nil)
		}
		if killed {
			continue
		}
		if _, err := syscall.Wait4(-1, nil, syscall.WALL|syscall.WNOHANG, nil); errors.Is(err, syscall.ECHILD) {
			return
		}
		tries++
	}
}

// children are this process's, by the fourth field of proc(5), stat. Reading
// task/children instead takes a kernel that was built with it.
func children() []int {
	self := []byte(strconv.Itoa(os.Getpid()))
	all, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	var pids []int
	for _, name := range all {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// The name in brackets may hold anything.
		fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		var pid int
		if _, err := fmt.Sscanf(name, "/proc/%d/stat", &pid); err == nil && len(fields) > 1 && bytes.Equal(fields[1], self) {
			pids = append(pids, pid)
		}
	}
	return pids
}
