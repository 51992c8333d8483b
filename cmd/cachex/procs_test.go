package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// procs is pgrep(1) for machines without it: "procs PATTERN" prints the ids of
// the processes whose command line matches, "procs -P PID" those of a process's
// children. It fails when there are none.
func procs() {
	match := func(_, command []byte) bool { return regexp.MustCompile(os.Args[1]).Match(command) }
	if os.Args[1] == "-P" {
		match = func(parent, _ []byte) bool { return string(parent) == os.Args[2] }
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(dirs) == 0 {
		panic(fmt.Sprint("no processes in /proc: ", err))
	}
	found := false
	for _, dir := range dirs {
		// Either file may be gone by now.
		command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		f := bytes.Fields(rest) // state, parent (proc(5))
		if pid := filepath.Base(dir); len(f) > 1 && pid != strconv.Itoa(os.Getpid()) &&
			string(f[0]) != "Z" && match(f[1], bytes.ReplaceAll(command, []byte{0}, []byte(" "))) {
			fmt.Println(pid)
			found = true
		}
	}
	if !found {
		os.Exit(1)
	}
}
