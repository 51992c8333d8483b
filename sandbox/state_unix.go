//go:build unix && !linux

package sandbox

import (
	"os"
	"syscall"
)

func stateOf(p *os.ProcessState) State {
	if s, ok := p.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return State{Signal: s.Signal()}
	}
	return State{Code: p.ExitCode()}
}
