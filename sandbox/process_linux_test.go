package sandbox

import (
	"errors"
	"syscall"
	"testing"
)

// A process that is reaped is not killed: its number may be another's.
func TestProcess(t *testing.T) {
	pid, _, err := syscall.StartProcess("/bin/sleep", []string{"sleep", "60"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	p := &process{pid: pid}
	if err := p.Kill(); err != nil {
		t.Errorf("kill: %v", err)
	}
	p.wait()
	if err := p.Kill(); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("kill after the end: %v, want %v", err, syscall.ESRCH)
	}
	if _, err := syscall.Wait4(pid, nil, 0, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("wait again: %v, want %v", err, syscall.ECHILD)
	}
}
