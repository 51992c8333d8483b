package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sandbox is a set of namespaces with a first process that waits for the
// command.
type Sandbox struct {
	pid       int // of init
	init      interface{ Kill() error }
	link      *link
	listeners Listeners
	ended     chan struct{} // closed when init is reaped
	closing   sync.Once
	terminal  terminal
	rung      Rung
	lacks     []Lack
	shared    bool // there is no pid namespace: see first.shared
	// The namespaces that the command is in, as namespaceOf names them.
	net, pids string
	hostPorts *hostPorts // nil when none are asked for
	dials     dials
	screen    *screen // nil unless the command has a terminal of a container's
}

// await reaps init, and ends the sandbox when the context does.
func (s *Sandbox) await(ctx context.Context, init *process) {
	stop := context.AfterFunc(ctx, s.kill)
	go func() {
		init.wait()
		stop()
		close(s.ended)
	}()
}

// kill ends all processes of the sandbox: its pid namespace dies with init. Where
// there is none init takes the others along when its parent is gone.
func (s *Sandbox) kill() {
	if s.shared {
		s.link.shutdown()
		return
	}
	s.init.Kill() // fails when it has ended
}

// initName is argv[0] of a sandbox's first process.
const initName = "cachex-init"

// linkAt is the lowest descriptor for init's end of the link: far from the
// small numbers that a user's own files have (make's jobserver, for one).
const linkAt = 100

// spawn starts this program again as the first process of a sandbox. Such as await
// has to be called then.
func (s *Sandbox) spawn(name string, way *syscall.SysProcAttr) (*process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, &StepError{Step: "create a socket pair", Err: err}
	}
	if s.link, err = newLink(pair[0]); err != nil {
		return nil, &StepError{Step: "open the socket pair", Err: err}
	}
	defer unix.Close(pair[1])
	// Inherited by its number: listing it would renumber the user's own files.
	theirs, err := unix.FcntlInt(uintptr(pair[1]), unix.F_DUPFD, linkAt)
	if err != nil { // EINVAL when the limit is below
		return nil, &StepError{Step: "open a descriptor above 100", Err: err, Hint: "raise the limit of open files (ulimit -n)"}
	}
	defer unix.Close(theirs)
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &StepError{Step: "open " + os.DevNull, Err: err}
	}
	defer unix.Close(null)

	init := &process{}
	init.pid, _, err = syscall.StartProcess("/proc/self/exe", []string{name, strconv.Itoa(theirs)}, &syscall.ProcAttr{
		Env:   runtimeSettings(os.Environ()),
		Files: []uintptr{uintptr(null), uintptr(null), os.Stderr.Fd()},
		Sys:   way,
	})
	if err != nil {
		s.link.close()
		return nil, refusedNamespaces(err)
	}
	s.pid, s.init = init.pid, init
	return init, nil
}

// runtimeSettings are those of Go's own runtime, which init needs nothing beside:
// what somebody looks for in this program is often there.
func runtimeSettings(env []string) []string {
	// Network and mounts are made side by side. A number that is given saves the runtime
	// the reading of cgroups.
	settings := []string{"GOMAXPROCS=2"}
	for _, kv := range env {
		if name, _, _ := strings.Cut(kv, "="); name == "GODEBUG" || name == "GOTRACEBACK" || name == "GORACE" {
			settings = append(settings, kv)
		}
	}
	return settings
}

// namespaceOf names a namespace of this process, such as "net:[4026531840]".
func namespaceOf(kind string) string {
	name, err := os.Readlink("/proc/self/ns/" + kind)
	if err != nil {
		return "?"
	}
	return name
}

// awaitReady waits for the sockets that init has opened.
func (s *Sandbox) awaitReady() error {
	var m toParent
	fds, err := s.link.receive(&m)
	switch {
	case err != nil:
		return &StepError{Step: "start the sandbox's first process", Err: fmt.Errorf("it ended early: %w", err)}
	case m.Failed != nil:
		return m.Failed.error()
	case m.Ready == nil || m.Ready.TCP+m.Ready.DNS+m.Ready.DNSStream != len(fds):
		return &StepError{Step: "start the sandbox's first process", Err: errors.New("unexpected message")}
	}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "listener")
		var err error
		switch {
		case i < m.Ready.TCP:
			s.listeners.TCP, err = addListener(s.listeners.TCP, f)
		case i < m.Ready.TCP+m.Ready.DNS:
			var p net.PacketConn
			if p, err = net.FilePacketConn(f); err == nil {
				s.listeners.DNS = append(s.listeners.DNS, p)
			}
		default:
			s.listeners.DNSStream, err = addListener(s.listeners.DNSStream, f)
		}
		f.Close()
		if err != nil {
			return &StepError{Step: "take over the listeners", Err: err}
		}
	}
	s.net, s.pids = m.Ready.Net, m.Ready.Pid
	if m.Ready.Guarded {
		s.rung = ByGuard
	}
	if m.Ready.Unredirected != nil {
		s.lacks = append(s.lacks, Lack{Redirect, m.Ready.Unredirected.step()})
	}
	return nil
}

func addListener(to []net.Listener, f *os.File) ([]net.Listener, error) {
	l, err := net.FileListener(f)
	if err != nil {
		return to, err
	}
	return append(to, l), nil
}

// Listeners are the sockets to serve.
func (s *Sandbox) Listeners() Listeners { return s.listeners }

// Rung is the way in which the sandbox was made.
func (s *Sandbox) Rung() Rung { return s.rung }

// Lacks are the parts that the system did not allow, each with its reason.
func (s *Sandbox) Lacks() []Lack { return s.lacks }

// Start starts the command. It fails with *StepError, or with *ExecError when
// the command itself cannot be executed. It is called once.
func (s *Sandbox) Start(c Config) error {
	m, data, err := newStart(c)
	if err != nil {
		return &StepError{Step: "hand the private files over", Err: err}
	}
	if s.hostPorts != nil {
		open, err := s.hostPorts.open()
		if err != nil {
			return &StepError{Step: "open the host's ports", Err: err}
		}
		m.HostPorts = &open
	}
	err = s.link.send(toInit{Start: m}, int(c.Stdin.Fd()), int(c.Stdout.Fd()), int(c.Stderr.Fd()), int(data.Fd()))
	data.Close()
	if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return &StepError{Step: "start the command", Err: err} // it waits: nothing would come
	}
	var answer toParent
	fds, lost := s.link.receive(&answer) // what it said before it ended, if it did
	if err != nil && (lost != nil || answer.Failed == nil) {
		return &StepError{Step: "start the command", Err: err}
	}
	if err = lost; err != nil {
		return &StepError{Step: "start the command", Err: fmt.Errorf("the sandbox ended: %w", err)}
	}
	if answer.Failed != nil {
		return answer.Failed.error()
	}
	if len(fds) == 1 {
		s.screen = showScreen(fds[0], c)
	}
	if s.hostPorts != nil {
		s.hostPorts.begin(*m.HostPorts)
	}
	return nil
}

// Signals are those that are sent to a command by its terminal or supervisor,
// and that are not ignored: what nohup ignores stays ignored. The caller of
// Start passes them on with Signal.
func Signals() []os.Signal {
	return slices.DeleteFunc([]os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
	}, signal.Ignored)
}

// Signal sends a signal to the command, unless the sandbox got the same one at
// the same time, as a terminal's Ctrl-C does.
func (s *Sandbox) Signal(sig os.Signal) error {
	n, ok := sig.(syscall.Signal)
	if !ok {
		return errors.ErrUnsupported
	}
	return s.link.send(toInit{Signal: n})
}

// Wait waits until the command has ended and all other processes of the
// sandbox with it. A command whose sandbox was killed counts as killed. While
// the command is stopped, this process is.
func (s *Sandbox) Wait() (State, error) {
	ended := make(chan struct{})
	var stops sync.WaitGroup
	defer stops.Wait()
	defer close(ended)
	defer s.dials.end()
	for {
		var m toParent
		fds, err := s.link.receive(&m)
		switch {
		case err == nil && m.Dialled != nil:
			s.dials.answer(*m.Dialled, fds)
		case err == nil && m.Stopped:
			// A terminal's Ctrl-Z stops both, and by the time that this is
			// read, both go on. So ask.
			s.link.send(toInit{IsStopped: true}) // fails when the sandbox is gone
		case err == nil && m.StillStopped:
			stops.Go(func() { s.stop(ended) })
		default:
			// Also where nothing is left: in these milliseconds those who serve the listeners
			// read what the command has sent last, such as why it refuses a certificate.
			<-s.ended
			s.screen.end()
			s.terminal.restore()
			if err != nil || m.Exited == nil {
				return State{Signal: syscall.SIGKILL}, nil
			}
			m.Exited.State.Missed = s.missed(m.Exited.Refused)
			return m.Exited.State, nil
		}
	}
}

// missed are those of the refused ports that are open on the host.
func (s *Sandbox) missed(refused []uint16) []uint16 {
	if len(refused) == 0 {
		return nil
	}
	open, err := listening()
	if err != nil {
		return nil // it is for a hint only
	}
	outside := open.either()
	slices.Sort(refused)
	return slices.DeleteFunc(refused, func(p uint16) bool {
		return !slices.Contains(outside, p) || s.hostPorts.leads(p)
	})
}

// stop stops this process, so that its shell takes notice, and goes on together
// with the command.
func (s *Sandbox) stop(ended <-chan struct{}) {
	owner := sandboxTerminal(s.pids)
	goOn := make(chan os.Signal, 1)
	signal.Notify(goOn, syscall.SIGCONT)
	defer signal.Stop(goOn)
	s.screen.leave()
	unix.Kill(os.Getpid(), unix.SIGSTOP) // without effect on a container's first process
	select {
	case <-goOn:
		// A shell that was in the foreground must be there before it looks.
		owner.give()
		s.screen.enter()
		s.link.send(toInit{Signal: syscall.SIGCONT})
	case <-ended:
	}
}

// Close kills whatever is left in the sandbox and waits for its end. It is safe
// to call again.
func (s *Sandbox) Close() {
	s.closing.Do(func() {
		s.hostPorts.end()
		defer s.screen.end() // when nobody waited
		s.kill()
		if s.shared {
			<-s.ended // it reads from the link until its last moment
		}
		s.link.close()
		<-s.ended
		for _, l := range s.listeners.TCP {
			l.Close()
		}
		for _, p := range s.listeners.DNS {
			p.Close()
		}
		for _, l := range s.listeners.DNSStream {
			l.Close()
		}
	})
}
