//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: sysconf(_SC_CLK_TCK), which is 100 on
// every Linux that Go runs on.
const tick = 10 * time.Millisecond

// usage is what processes take.
type usage struct {
	cpu time.Duration
	// rss and peak are MiB; peak is the most since resetPeaks.
	rss, peak float64
}

// usageOf adds up what processes take. Those that have ended count nothing.
func usageOf(pids []int) usage {
	var u usage
	for _, pid := range pids {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may be gone
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		if fields := bytes.Fields(rest); len(fields) > 12 { // utime and stime are fields 14 and 15 (proc_pid_stat(5))
			for _, f := range fields[11:13] {
				n, _ := strconv.ParseInt(string(f), 10, 64)
				u.cpu += time.Duration(n) * tick
			}
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		u.rss += kilobytes(status, "VmRSS:") / 1024
		u.peak += kilobytes(status, "VmHWM:") / 1024
	}
	return u
}

func kilobytes(status []byte, field string) float64 {
	_, rest, _ := strings.Cut(string(status), field)
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kb, _ := strconv.ParseFloat(number, 64) // a field that is not there is 0
	return kb
}

// resetPeaks has usageOf's peak begin anew (proc_pid_clear_refs(5)).
func resetPeaks(pids []int) {
	for _, pid := range pids {
		os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) // it may be gone
	}
}

// tree is a process and those that it has started.
func tree(root int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, name := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		b, _ := os.ReadFile(name)
		_, rest, _ := bytes.Cut(b, []byte(") "))
		if fields := bytes.Fields(rest); len(fields) > 1 {
			parent, _ := strconv.Atoi(string(fields[1]))
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}
