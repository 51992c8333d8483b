//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// runs is how many clients there are at once in "runs at once", as many as a build
// that the author knows has jobs.
const runs = 13

// otherLoads are those that are more than the speed of a client with a task.
func otherLoads(o *options) []load {
	small, large := fmt.Sprintf("a hit among %d entries", smallCache), fmt.Sprintf("a hit among %d entries", o.entries)
	big := "{fresh}/files/128m-1.0.{n}.tgz"
	return []load{
		{name: fmt.Sprintf("%d runs at once, cold", runs), unit: "s", less: true, measure: atOnce(false)},
		{name: fmt.Sprintf("%d runs at once, warm", runs), unit: "s", less: true, measure: atOnce(true)},
		{name: "memory with 1,000 idle connections", unit: "MiB", less: true, bars: []bar{{most: 128}},
			measure: peakMemory(task{Paths: []string{file1k}, Idle: 1000, Conns: 1, Requests: 1})},
		{name: "memory with eight misses of 128 MiB", unit: "MiB", less: true, bars: []bar{{most: 64}},
			measure: peakMemory(task{Paths: []string{big}, Conns: 8, Requests: 8})},
		{name: "memory with eight hits of 128 MiB, h2", unit: "MiB", less: true, bars: []bar{{most: 64}},
			measure: peakMemory(task{Paths: []string{"/files/128m-1.0.0.tgz"}, Conns: 8, Requests: 8, H2: true, Warm: true})},
		{name: small, unit: "µs of cpu", less: true, measure: hitAmong(smallCache, o.seconds), lacks: onlyOurs("measured of cachex alone")},
		{name: large, unit: "µs of cpu", less: true, measure: hitAmong(o.entries, o.seconds), lacks: onlyOurs("measured of cachex alone"),
			bars: []bar{{load: small, most: 1.1}}},
		{name: "start-up as root", unit: "ms", less: true, measure: startUp(0), lacks: noCommand(),
			bars: []bar{{of: limitName, added: true, most: 12}}},
		{name: "start-up as an ordinary user", unit: "ms", less: true, measure: startUp(65534), lacks: noCommand(),
			bars: []bar{{of: limitName, added: true, most: 12}}},
	}
}

func noCommand() map[string]string {
	return map[string]string{squidName: "a server, not a command", mitmproxyName: "a server, not a command"}
}

func onlyOurs(reason string) map[string]string {
	return map[string]string{limitName: reason, squidName: reason, mitmproxyName: reason}
}

// atOnce measures how long as many clients take, each of them with all of a process's
// start and end, that ask for the same 500 files. Cold, nobody has one of the files
// yet; warm, all are there.
func atOnce(warm bool) func(*stage, contender) (sample, error) {
	const files = 500
	t := task{Paths: []string{"{fresh}" + poolPath}, Files: files, Requests: files, Conns: 8}
	return func(s *stage, c contender) (sample, error) {
		t := s.freshen(t)
		if warm {
			if _, err := s.drive(c, t); err != nil {
				return sample{}, err
			}
		}
		m, err := s.together(c, runs, t)
		m.Value = m.Seconds
		return m, err
	}
}

// peakMemory measures the most memory that a contender has during a task.
func peakMemory(t task) func(*stage, contender) (sample, error) {
	return measured(t, func(m sample) float64 { return m.Peak })
}

// startUps is how many are measured in a round.
const startUps = 10

// startUp measures what an empty command takes: within cachex run, and as the limit
// within unshare, which makes the same namespaces and no more.
func startUp(uid uint32) func(*stage, contender) (sample, error) {
	return func(s *stage, c contender) (sample, error) {
		home := filepath.Join(s.dir, fmt.Sprintf("home-%d", uid))
		if err := errors.Join(os.MkdirAll(home, 0o755), os.Chown(home, int(uid), int(uid))); err != nil {
			return sample{}, err
		}
		var took []float64
		var m sample
		for range startUps {
			args := []string{"unshare", "-rnmpf", "true"}
			if c.name() == cachexName {
				args = []string{s.cachex, "run", "--config", "none", "--cache", filepath.Join(home, "cache"), "--", "true"}
			}
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir, cmd.Env = home, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			began := time.Now()
			out, err := cmd.CombinedOutput()
			if err != nil {
				return m, fmt.Errorf("%s: %w: %s", args[0], err, out)
			}
			took = append(took, time.Since(began).Seconds()*1e3)
			m.CPU += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		}
		m.Requests, m.Value = startUps, median(took)
		return m, nil
	}
}
