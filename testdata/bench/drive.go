//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a client may take beyond the time that its task gives it. What
// takes longer is told as a failure.
const patience = time.Minute

// sample is what one contender did under one load in one round.
type sample struct {
	answer
	// Value is the figure that counts, in the load's unit.
	Value float64 `json:"value"`
	// CPU is the contender's processor time, in seconds; RSS its memory when the client
	// was done, and Peak the most until then, in MiB.
	CPU  float64 `json:"cpu_seconds"`
	RSS  float64 `json:"rss_mib"`
	Peak float64 `json:"peak_mib"`
	// Origin is how many requests reached the origin.
	Origin int64 `json:"origin_requests"`
}

// running is a client that was started.
type running struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	said  bytes.Buffer
	timer *time.Timer
	late  bool
	mu    sync.Mutex
}

func start(cmd *exec.Cmd, t task) (*running, error) {
	r := &running{cmd: cmd}
	withParent(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.in, r.out = in, bufio.NewReader(out)
	cmd.Stderr = &r.said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r.timer = time.AfterFunc(patience+time.Duration(t.Seconds*1e9), func() {
		r.mu.Lock()
		r.late = true
		r.mu.Unlock()
		cmd.Process.Signal(syscall.SIGTERM)
		time.Sleep(5 * time.Second)
		cmd.Process.Kill() // an error if it has ended
	})
	return r, nil
}

// line reads what the client says next.
func (r *running) line() (string, error) {
	line, err := r.out.ReadString('\n')
	if err != nil {
		return "", r.wait(err)
	}
	return strings.TrimSpace(line), nil
}

// wait ends a client, and joins what went wrong with what it has said of it.
func (r *running) wait(err error) error {
	r.in.Close()
	io.Copy(io.Discard, r.out)
	ended := r.cmd.Wait()
	r.timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.late {
		return fmt.Errorf("not done after %v", patience)
	}
	if err == nil && ended == nil {
		return nil
	}
	return errors.Join(err, ended, errors.New(strings.TrimSpace(r.said.String())))
}

// drive has a client do a task through a contender, and measures both.
func (s *stage) drive(c contender, t task) (sample, error) {
	t.Gate = true
	var m sample
	r, err := start(c.command(s, t), t)
	if err != nil {
		return m, err
	}
	pids := c.processes(r.cmd)
	resetPeaks(pids)
	if l, err := r.line(); err != nil {
		return m, fmt.Errorf("%w (%.0f MiB of memory)", err, usageOf(pids).peak)
	} else if l != "ready" {
		return m, r.wait(fmt.Errorf("the client says %q", l))
	}
	asked, err := s.requests()
	if err != nil {
		return m, r.wait(err)
	}
	before := usageOf(pids)
	fmt.Fprintln(r.in, "go")
	l, err := r.line()
	if err != nil {
		return m, fmt.Errorf("%w (%.0f MiB of memory)", err, usageOf(pids).peak)
	}
	after := usageOf(pids)
	m.CPU, m.RSS, m.Peak = (after.cpu - before.cpu).Seconds(), after.rss, after.peak
	now, err := s.requests()
	if err != nil {
		return m, r.wait(err)
	}
	m.Origin = now - asked - 1 // without the question itself
	if err := json.Unmarshal([]byte(l), &m.answer); err != nil {
		return m, r.wait(err)
	}
	if m.Failed != "" {
		return m, r.wait(errors.New(m.Failed))
	}
	return m, r.wait(nil)
}

// together has as many clients do a task at the same time, from start to end.
func (s *stage) together(c contender, n int, t task) (sample, error) {
	var m sample
	errs := make([]error, n)
	answers := make([]answer, n)
	asked, err := s.requests()
	if err != nil {
		return m, err
	}
	began := time.Now()
	var working sync.WaitGroup
	for i := range n {
		working.Go(func() {
			r, err := start(c.command(s, t), t)
			if err != nil {
				errs[i] = err
				return
			}
			l, err := r.line()
			if err != nil {
				errs[i] = err
				return
			}
			errs[i] = r.wait(json.Unmarshal([]byte(l), &answers[i]))
		})
	}
	working.Wait()
	m.Seconds = time.Since(began).Seconds()
	now, err := s.requests()
	errs = append(errs, err)
	m.Origin = now - asked - 1
	for _, a := range answers {
		m.Requests += a.Requests
		m.Bytes += a.Bytes
		m.ClientCPU += a.ClientCPU
		if a.Failed != "" {
			errs = append(errs, errors.New(a.Failed))
		}
	}
	return m, errors.Join(errs...)
}
