package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Main runs the sandbox's first process if this is one, and does not return
// then. Call it before anything else in main.
func Main() {
	mapMain()
	if len(os.Args) != 2 {
		return
	}
	switch os.Args[0] {
	case envName:
		runFirst((*first).runBare)
	case initName:
		runFirst((*first).run)
	}
}

// runFirst is a sandbox's first process: its argument is its end of the link.
func runFirst(run func(*first) error) {
	fd, err := strconv.Atoi(os.Args[1])
	if err != nil {
		os.Exit(1)
	}
	unix.CloseOnExec(fd)
	setName(os.Args[0])
	l, err := newLink(fd)
	if err != nil {
		os.Exit(1)
	}
	p := &first{link: l, echoes: newEchoes()}
	if err := run(p); err != nil {
		l.send(toParent{Failed: asFailure(err)}) // fails when the parent is gone
		os.Exit(1)
	}
	os.Exit(0)
}

// setName is what process lists show; it would be "exe".
func setName(name string) {
	b := append([]byte(name), 0)
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0) // for people only
}

func asFailure(err error) *failure {
	var errno syscall.Errno
	errors.As(err, &errno)
	var step *StepError
	if errors.As(err, &step) {
		return &failure{Step: step.Step, Part: step.Part, Text: step.Err.Error(), Hint: step.Hint, Errno: errno}
	}
	return &failure{Text: err.Error(), Errno: errno}
}

// first is the sandbox's first process: it sets up, starts the command, and
// ends with it. The kernel then kills the rest of the pid namespace.
type first struct {
	link   *link
	how    setup
	echoes *echoes
	mounts mounts
	// shared is set where there is no pid namespace: what is left of the command
	// is killed by this process.
	shared bool
	// bare is set for an environment: there are no namespaces.
	bare     bool
	guarding chan error // of an environment's guard, nil without
	scratch  string     // Config.Scratch
	// Of a container's command: its directory and user.
	dir string
	uid uint32
	sys *syscall.SysProcAttr
	// master is the other end of the command's terminal, nil when it has none of
	// its own.
	master *os.File
	job    bool // it has a process group of its own, which goes on as one
}

func (p *first) run() error {
	var m toInit
	if _, err := p.link.receive(&m); err != nil || m.Setup == nil {
		return &StepError{Step: "read how the sandbox is to be made", Err: errors.Join(err, errors.New("cachex is gone"))}
	}
	p.how = *m.Setup
	p.shared = p.how.Without != ""
	if err := p.tie(); err != nil {
		return err
	}
	if err := ownNamespaces(p.how.HostNet, p.how.HostMount, p.how.Without != Mounts); err != nil {
		return err
	}
	net, pid, ground := namespaceOf("net"), namespaceOf("pid"), networkGround() // before /proc is covered
	// Network and mounts take 3 ms each, and neither needs the other.
	var sockets *sockets
	networked := make(chan error, 1)
	go func() {
		var err error
		sockets, err = setUpNetwork(p.how, ground)
		p.echoes.watch() // half a millisecond (see signals.go of cmd/cachex): the mounts take longer
		networked <- err
	}()
	mounted := p.mount()
	if err := <-networked; err != nil {
		return err
	}
	if mounted != nil {
		return mounted
	}
	sockets.ready.Net, sockets.ready.Pid = net, pid
	if err := p.link.send(toParent{Ready: &sockets.ready}, sockets.fds...); err != nil {
		return &StepError{Step: "hand the sockets out", Err: err}
	}
	sockets.close()
	return p.start()
}

// mount makes what the mount namespace has of its own, but for what comes with the
// command.
func (p *first) mount() error {
	if p.how.Without == Mounts {
		return nil
	}
	if err := p.mounts.begin(!p.shared); err != nil {
		return err
	}
	if err := p.mounts.placeNames(); err != nil {
		return &StepError{Step: "place the private name service files", Err: err}
	}
	if p.how.Rootless {
		if err := p.mounts.placeSudo(); err != nil {
			return &StepError{Step: "place what stands for sudo", Err: err}
		}
	}
	if p.how.Program != "" {
		if err := p.mounts.placeMappers(p.how.Program, p.how.Mappers); err != nil {
			return &StepError{Step: "place what stands for newuidmap", Err: err}
		}
	}
	if !p.how.Early {
		return nil
	}
	var m toInit
	data, err := p.link.receive(&m)
	if err != nil || m.Place == nil || len(data) != 1 {
		return &StepError{Step: "wait for the private files", Err: errors.Join(err, errors.New("cachex is gone"))}
	}
	if err := m.Place.fill(data[0]); err != nil {
		return &StepError{Step: "read the private files", Err: err}
	}
	return p.mounts.finish(m.Place.Trees, m.Place.Daemons, !p.shared)
}

// tie makes this process end with its parent. The end of the link says so too,
// and where others have to be killed first nothing else may.
func (p *first) tie() error {
	if p.shared {
		return adopt()
	}
	// The death signal was cleared when this process gained capabilities.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return &StepError{Step: "tie the sandbox to cachex", Err: err}
	}
	return nil
}

// start waits for the command and runs it.
func (p *first) start() error {
	var m toInit
	streams, err := p.link.receive(&m)
	if err != nil || m.Start == nil || len(streams) != 4 {
		return &StepError{Step: "wait for the command", Err: errors.Join(err, errors.New("cachex is gone"))}
	}
	if err := m.Start.Private.fill(streams[3]); err != nil {
		return &StepError{Step: "read the private files", Err: err}
	}
	if m.Start.HostPorts != nil {
		if err := setHostPorts(*m.Start.HostPorts); err != nil {
			return &StepError{Step: "open the host's ports", Err: err}
		}
	}
	if p.how.Without != Mounts && !p.how.Early {
		if err := p.mounts.finish(m.Start.Private.Trees, m.Start.Private.Daemons, !p.shared); err != nil {
			return err
		}
	}
	p.scratch = m.Start.Scratch
	defer p.removeScratch()
	return p.command(m.Start, streams[:3])
}

// ownNamespaces makes sure that what follows changes nothing of the host's. A
// sandbox without mounts of its own has no hostMount to compare with.
func ownNamespaces(hostNet, hostMount string, mounts bool) error {
	outside := map[string]string{"net": hostNet}
	if mounts {
		outside["mnt"] = hostMount
	}
	for kind, host := range outside {
		if own := namespaceOf(kind); own == host || own == "?" || host == "?" {
			return &StepError{
				Step: "compare the namespaces",
				Err:  fmt.Errorf("the sandbox's %s namespace is %s and the host's %s", kind, own, host),
				Hint: "cachex changes nothing outside of a namespace of its own",
			}
		}
	}
	return nil
}

// command runs the build until it has ended.
func (p *first) command(s *start, streams []int) error {
	if s.Screen != nil {
		var err error
		if p.master, err = p.openScreen(*s.Screen, streams); err != nil {
			return &StepError{Step: "make a terminal", Err: err}
		}
	}
	pid, err := p.fork(s, streams)
	if err != nil {
		return err // an ExecError once it has crossed the link
	}
	for _, fd := range streams {
		unix.Close(fd)
	}
	if err := p.link.send(toParent{Started: true}, p.takeMaster()...); err != nil {
		return &StepError{Step: "report the start", Err: err}
	}
	go p.obey(pid)
	status := p.reap(pid)
	p.leaveScreen()
	if p.shared {
		killRest()
	}
	end := exit{State: State{Changed: p.mounts.changed(), Sudo: p.mounts.calledSudo(), Daemons: p.mounts.usedDaemons()}}
	if status.Signaled() {
		end.State.Signal = status.Signal()
	} else {
		end.State.Code = status.ExitStatus()
	}
	if !p.bare {
		end.Refused, _ = refusedPorts() // for a hint only
	}
	if err := p.link.send(toParent{Exited: &end}); err != nil {
		return &StepError{Step: "report the end", Err: err}
	}
	return nil
}

// fork starts the command on a thread whose capabilities are its.
func (p *first) fork(s *start, streams []int) (pid int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread ends with the goroutine, as its
		// capabilities are not those of the others.
		runtime.LockOSThread()
		if !p.bare {
			if err = dropCapabilities(p.how.Kept); err != nil {
				err = &StepError{Step: "drop capabilities", Err: err}
				return
			}
		}
		attr := &syscall.ProcAttr{
			Env:   s.Env,
			Files: []uintptr{uintptr(streams[0]), uintptr(streams[1]), uintptr(streams[2])},
			Dir:   p.dir,
			Sys:   p.sys,
		}
		pid, err = syscall.ForkExec(s.Path, s.Args, attr)
		if errors.Is(err, syscall.ENOEXEC) && isText(s.Path) {
			// As execvp(3) does, and with it every shell, env and nohup.
			pid, err = syscall.ForkExec(shell, append([]string{shell, s.Path}, s.Args[1:]...), attr)
		}
	}()
	<-done
	return pid, err
}

const shell = "/bin/sh"

// isText tells a script without "#!" from a program for another processor:
// what bash looks at (check_binary_file in general.c) is a NUL in the first line.
func isText(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 80)
	n, _ := io.ReadFull(f, b) // a shorter file is the rule
	line, _, _ := bytes.Cut(b[:n], []byte("\n"))
	return bytes.IndexByte(line, 0) < 0
}

// reap waits for the command, and meanwhile for every orphan that becomes ours.
func (p *first) reap(command int) syscall.WaitStatus {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WALL|syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err == nil && status.Stopped():
			if pid == command {
				p.link.send(toParent{Stopped: true}) // fails when the parent is gone
			}
		case err != nil || pid == command:
			return status
		}
	}
}

// stopped tells whether a process is stopped at this moment (proc(5), stat).
func stopped(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may be gone
	_, rest, _ := bytes.Cut(b, []byte(") "))
	return bytes.HasPrefix(rest, []byte("T"))
}

// obey passes signals on. When the parent is gone it ends the sandbox.
func (p *first) obey(command int) {
	for {
		var m toInit
		if _, err := p.link.receive(&m); err != nil {
			p.end()
		}
		switch {
		case m.HostPorts != nil:
			_ = setHostPorts(*m.HostPorts) // then it stays as it was
		case m.Dial != nil:
			go p.dial(*m.Dial)
		case m.IsStopped:
			if stopped(command) {
				p.link.send(toParent{StillStopped: true})
			}
		case m.Signal == syscall.SIGCONT && p.job:
			syscall.Kill(-command, m.Signal) // as below
		case m.Signal == syscall.SIGCONT, m.Signal != 0 && !p.echoes.heard(m.Signal):
			syscall.Kill(command, m.Signal) // fails when it has just ended
		}
	}
}

// echoes knows which signals this process got itself. A signal that a terminal
// sends to its whole foreground group reaches the command without us; passing
// it on would make two of one Ctrl-C.
type echoes struct {
	mu      sync.Mutex
	seen    map[os.Signal]time.Time
	arrived chan struct{} // closed and replaced at each signal
}

const (
	// echoWindow is longer than a loaded machine takes to deliver one signal to
	// a group and shorter than a person needs to press a key twice.
	echoWindow = 100 * time.Millisecond
	// echoWait is how long the own delivery may come after the parent's.
	echoWait = 20 * time.Millisecond
)

func newEchoes() *echoes {
	return &echoes{seen: map[os.Signal]time.Time{}, arrived: make(chan struct{})}
}

func (e *echoes) watch() {
	got := make(chan os.Signal, 16)
	signal.Notify(got, Signals()...)
	go func() { // until the process ends
		for sig := range got {
			e.mu.Lock()
			e.seen[sig] = time.Now()
			close(e.arrived)
			e.arrived = make(chan struct{})
			e.mu.Unlock()
		}
	}()
}

// heard tells whether this process got the signal too.
func (e *echoes) heard(sig os.Signal) bool {
	enough := time.After(echoWait)
	for {
		e.mu.Lock()
		at, ok := e.seen[sig]
		arrived := e.arrived
		e.mu.Unlock()
		if ok && time.Since(at) < echoWindow {
			return true
		}
		select {
		case <-arrived:
		case <-enough:
			return false
		}
	}
}
