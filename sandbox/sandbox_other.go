//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
)

var errLinux = &StepError{
	Step: "create namespaces",
	Err:  errors.ErrUnsupported,
	Hint: "use --sandbox=env, or run cachex on Linux, or in a Linux virtual machine or container",
}

// Sandbox is an environment: this system has nothing else.
type Sandbox struct {
	listeners Listeners
	command   *exec.Cmd
	scratch   string
}

// Main returns.
func Main() {}

// ContainerMain returns.
func ContainerMain(Prepare) {}

// Inside is false.
func Inside() bool { return false }

// New fails: namespaces are Linux's.
func New(context.Context, Network, *User, Early) (*Sandbox, error) { return nil, errLinux }

// Ladder has one rung that works.
func Ladder(context.Context, *User) []Trial {
	return []Trial{{Rung: ByUser, Refused: errLinux}, {Rung: ByVariables}}
}

// Restricted is false.
func Restricted() bool { return false }

// NewEnv opens one listener on this machine's loopback, of which the command's
// environment has to tell it. Errors are *StepError.
func NewEnv(context.Context, *User, bool) (*Sandbox, error) {
	l, err := listenLoopback()
	if err != nil {
		return nil, err
	}
	return &Sandbox{listeners: l}, nil
}

// Listeners are the sockets to serve.
func (s *Sandbox) Listeners() Listeners { return s.listeners }

// Rung is ByVariables.
func (*Sandbox) Rung() Rung { return ByVariables }

// Lacks is empty.
func (*Sandbox) Lacks() []Lack { return nil }

// Start starts the command. It fails with *ExecError when that cannot be executed.
func (s *Sandbox) Start(c Config) error {
	s.scratch = c.Scratch
	s.command = &exec.Cmd{Path: c.Path, Args: c.Args, Env: c.Env, Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr}
	err := s.command.Start()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return &ExecError{errno}
	}
	return err
}

// Signals are those that end a command.
func Signals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// Signal sends a signal to the command. A terminal has sent it already what its
// keys stand for.
func (s *Sandbox) Signal(sig os.Signal) error {
	if sig == os.Interrupt {
		return nil
	}
	return s.command.Process.Signal(sig)
}

// Wait waits until the command has ended.
func (s *Sandbox) Wait() (State, error) {
	err := s.command.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return State{}, err
	}
	return stateOf(s.command.ProcessState), nil
}

// Dial connects to a port of this machine's loopback, which is the command's.
func (*Sandbox) Dial(ctx context.Context, port uint16) (*net.TCPConn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port).String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// Close ends the command if it still runs.
func (s *Sandbox) Close() {
	if s.command != nil && s.command.Process != nil {
		s.command.Process.Kill() // fails when it has ended
	}
	for _, l := range s.listeners.TCP {
		l.Close()
	}
	if s.scratch != "" {
		os.RemoveAll(s.scratch)
	}
}

// Client knows none.
func (*Sandbox) Client(net.Conn) string { return "" }

// Own knows none.
func (*Sandbox) Own(net.Conn) bool { return false }

// OriginalDst fails.
func OriginalDst(net.Conn) (netip.AddrPort, error) { return netip.AddrPort{}, errLinux }

// Become fails: nobody is called for by sudo here.
func (User) Become() error { return errLinux }
