//go:build !linux

package podman

import (
	"context"
	"errors"
	"io"

	"cachex/sandbox"
)

var errLinux = &Error{
	Step: "make a container", Err: errors.ErrUnsupported,
	Hint: "the container must share this machine's kernel: run cachex on Linux, or in podman's virtual machine",
}

// Service is never had.
type Service struct{}

// Container is never had.
type Container struct{ *sandbox.Sandbox }

// Connect fails: containers are Linux's.
func Connect(context.Context, []string) (*Service, error) { return nil, errLinux }

// NewDir fails as Connect does.
func NewDir() (string, error) { return "", errLinux }

// Start fails as Connect does.
func Start(context.Context, string, []string) (*Service, error) { return nil, errLinux }

// Image fails as Connect does.
func (*Service) Image(context.Context, string) (Image, bool, error) { return Image{}, false, errLinux }

// Pull fails as Connect does.
func (*Service) Pull(context.Context, string, string, io.Writer) error { return errLinux }

// Run fails as Connect does.
func (*Service) Run(context.Context, Config, sandbox.Network) (*Container, error) {
	return nil, errLinux
}

// Close does nothing.
func (*Service) Close() {}

// Close does nothing.
func (*Container) Close() {}
