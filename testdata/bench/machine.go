//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// describe looks at the machine before anything is measured.
func describe(s *stage, contenders []contender) machine {
	m := machine{CPUs: runtime.NumCPU(), CPU: field("/proc/cpuinfo", "model name"), Versions: map[string]string{"go": runtime.Version()}, LoadBefore: loadAverage()}
	fmt.Sscan(field("/proc/meminfo", "MemTotal"), &m.Memory)
	m.Memory /= 1024
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:]) + " " + unix.ByteSliceToString(name.Machine[:])
	}
	var fs unix.Statfs_t
	if unix.Statfs(s.dir, &fs) == nil {
		m.FileSystem = fileSystem(int64(fs.Type))
	}
	for _, c := range contenders {
		m.Versions[c.name()] = c.version()
	}
	return m
}

// fileSystem names the usual ones (statfs(2)).
func fileSystem(magic int64) string {
	switch magic {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return fmt.Sprintf("%#x", magic)
}

// field is the first value of a name in a file of the kernel's.
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
