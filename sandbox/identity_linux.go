package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// setupCapabilities are what init needs to set the sandbox up. Root has them by
// being root in its user namespace; others get them as ambient capabilities.
var setupCapabilities = []uintptr{
	unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_SETPCAP,
	unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER,
	unix.CAP_SETUID, unix.CAP_SETGID, // for subordinate ids (subids_linux.go)
}

// identity is one to make a sandbox with. The command's ids are as they were.
type identity struct {
	rung Rung
	attr syscall.SysProcAttr
	// mirror maps every id that there is to itself.
	mirror bool
	// subordinate ids are mapped once the namespace is there, nil when attr maps
	// what there is.
	subordinate *[2][]idRange
}

// identities are those that this process can have, the best first. Root needs no
// user namespace; where it may not do without, it keeps all ids that it has here.
// Anyone else, and a root that may not map them, keeps the own one.
func identities() []identity {
	own := syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
	}
	if os.Geteuid() != 0 {
		own.AmbientCaps = setupCapabilities
		found := []identity{{rung: ByUser, attr: own}}
		if ranges, ok := subordinates(); ok {
			unmapped := syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, AmbientCaps: setupCapabilities}
			found = slices.Insert(found, 0, identity{rung: ByUser, attr: unmapped, subordinate: &ranges})
		}
		return found
	}
	found := []identity{{rung: ByRoot}}
	all := syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, GidMappingsEnableSetgroups: true}
	return append(found, identity{rung: ByUser, attr: all, mirror: true}, identity{rung: ByUser, attr: own})
}

// invoker is root's way to run what is somebody else's.
func invoker(u User) identity {
	groups := make([]uint32, len(u.Groups))
	for i, g := range u.Groups {
		groups[i] = uint32(g)
	}
	return identity{rung: BySudo, attr: syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID), Groups: groups},
		AmbientCaps: setupCapabilities,
	}}
}

// Become makes this process the user's, for good. Errors are *StepError.
func (u User) Become() error {
	if err := syscall.Setgroups(u.Groups); err != nil {
		return &StepError{Step: "set the user's groups", Err: err}
	}
	if err := syscall.Setresgid(u.GID, u.GID, u.GID); err != nil {
		return &StepError{Step: "become a member of the user's group", Err: err}
	}
	if err := syscall.Setresuid(u.UID, u.UID, u.UID); err != nil {
		return &StepError{Step: "become the user", Err: err}
	}
	// What has changed its ids may not look at itself in /proc (proc(5)).
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return &StepError{Step: "read the own /proc as the user", Err: err}
	}
	return nil
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
