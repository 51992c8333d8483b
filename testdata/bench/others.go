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

// otherLoads are those that are more than a client with a task.
func otherLoads(o *options) []load {
	return []load{
		{name: "start-up as root", unit: "ms", less: true, measure: startUp(0), lacks: noCommand(),
			bars: []bar{{of: limitName, added: true, most: 12}}},
		{name: "start-up as an ordinary user", unit: "ms", less: true, measure: startUp(65534), lacks: noCommand(),
			bars: []bar{{of: limitName, added: true, most: 12}}},
	}
}

func noCommand() map[string]string {
	return map[string]string{squidName: "a server, not a command", mitmproxyName: "a server, not a command"}
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
