package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const namespaces = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS |
	syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS

// setupCapabilities are what init needs to set the sandbox up. Root has them by
// being root in its user namespace; others get them as ambient capabilities.
var setupCapabilities = []uintptr{
	unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_SETPCAP,
	unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER,
}

// identities are the ways to enter a user namespace with the ids unchanged, the
// best first. Root keeps all ids that it has here; anyone else, and a root that
// may not map them, keeps the own one.
func identities() []*syscall.SysProcAttr {
	own := &syscall.SysProcAttr{
		Cloneflags:  namespaces,
		Pdeathsig:   syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
	}
	if os.Geteuid() != 0 {
		own.AmbientCaps = setupCapabilities
		return []*syscall.SysProcAttr{own}
	}
	all := &syscall.SysProcAttr{
		Cloneflags:                 namespaces,
		Pdeathsig:                  syscall.SIGKILL,
		UidMappings:                mirrored("/proc/self/uid_map"),
		GidMappings:                mirrored("/proc/self/gid_map"),
		GidMappingsEnableSetgroups: true,
	}
	if len(all.UidMappings) == 0 || len(all.GidMappings) == 0 {
		return []*syscall.SysProcAttr{own}
	}
	return []*syscall.SysProcAttr{all, own}
}

// mirrored maps every id that exists in this user namespace to itself.
func mirrored(path string) []syscall.SysProcIDMap {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var maps []syscall.SysProcIDMap
	for line := range strings.Lines(string(b)) {
		var here, outside, size int
		if _, err := fmt.Sscan(line, &here, &outside, &size); err != nil {
			return nil
		}
		maps = append(maps, syscall.SysProcIDMap{ContainerID: here, HostID: here, Size: size})
	}
	return maps
}

// dropCapabilities takes this thread's capabilities away from what it will
// execute: all of an ordinary user's, and of root's those that root did not
// have before (kept is the bounding set outside). The thread must be locked.
func dropCapabilities(kept uint64) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	for c := uintptr(0); c < 64; c++ {
		if kept&(1<<c) == 0 {
			// EINVAL: the kernel knows no such capability.
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
				return fmt.Errorf("drop capability %d: %w", c, err)
			}
		}
	}
	// Ambient capabilities go with the inheritable ones (capabilities(7)).
	for i := range sets {
		sets[i].Inheritable = 0
	}
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	runtime.KeepAlive(&sets)
	return nil
}

// boundingSet is this thread's, as a bit mask.
func boundingSet() uint64 {
	var set uint64
	for c := range uint64(64) {
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err == nil && has == 1 {
			set |= 1 << c
		}
	}
	return set
}
