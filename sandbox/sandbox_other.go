//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
)

var errLinux = &StepError{
	Step: "create namespaces",
	Err:  errors.ErrUnsupported,
	Hint: "run cachex on Linux, or in a Linux virtual machine or container",
}

// Sandbox is a sandbox of this system, which has none.
type Sandbox struct{}

// Main returns.
func Main() {}

// Inside is false.
func Inside() bool { return false }

// New fails: namespaces are Linux's.
func New(context.Context, Network) (*Sandbox, error) { return nil, errLinux }

// Listeners are none.
func (*Sandbox) Listeners() Listeners { return Listeners{} }

// Start fails.
func (*Sandbox) Start(Config) error { return errLinux }

// Signals are none.
func Signals() []os.Signal { return nil }

// Signal fails.
func (*Sandbox) Signal(os.Signal) error { return errLinux }

// Wait fails.
func (*Sandbox) Wait() (State, error) { return State{}, errLinux }

// Dial fails.
func (*Sandbox) Dial(context.Context, uint16) (*net.TCPConn, error) { return nil, errLinux }

// Close does nothing.
func (*Sandbox) Close() {}

// Client knows none.
func (*Sandbox) Client(net.Conn) string { return "" }

// OriginalDst fails.
func OriginalDst(net.Conn) (netip.AddrPort, error) { return netip.AddrPort{}, errLinux }
