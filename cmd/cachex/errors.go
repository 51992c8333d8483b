package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"cachex/sandbox"
	"cachex/sandbox/podman"
)

// The exit statuses of cachex itself. A build's own status is passed on.
const (
	exitFailure       = 1
	exitUsage         = 2
	exitMiss          = 3   // --fail-on-miss
	exitInternal      = 125 // cachex failed before the command ran
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the signal's number
)

// usageError is a mistake on the command line.
type usageError struct {
	err     error
	command string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// exitError is an error with its exit status and what to do about it.
type exitError struct {
	err    error
	status int
	hint   string
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// complain prints an error and its hint and gives the exit status.
func complain(w io.Writer, err error) int {
	status, hint := exitFailure, ""
	var usage *usageError
	var exit *exitError
	var hinted *hintedError
	var step *sandbox.StepError
	var engine *podman.Error
	switch {
	case errors.As(err, &exit):
		status, hint = exit.status, exit.hint
	case errors.As(err, &usage):
		status, hint = exitUsage, "see "+usage.command+" --help"
		if strings.HasPrefix(usage.command, "cachex run") {
			status = exitInternal // 2 could be the command's own
		}
	case errors.As(err, &step):
		status, hint = exitInternal, step.Hint
	case errors.As(err, &engine):
		status, hint = exitInternal, engine.Hint
	}
	if errors.As(err, &hinted) {
		hint = hinted.hint
	}
	msg, _, _ := strings.Cut(err.Error(), "\n")
	fmt.Fprintf(w, "cachex: error: %s\n", msg)
	if hint != "" {
		fmt.Fprintf(w, "cachex: hint: %s\n", hint)
	}
	return status
}
