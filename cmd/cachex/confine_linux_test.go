package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confine [-refuse WHAT[=ERRNO],...] [-drop CAPABILITY,...] COMMAND [ARG...]
// runs a command where the system refuses some things, as containers, chroots and
// old kernels do: system calls by a seccomp filter, capabilities by the bounding
// set. WHAT is a key of refusable, or docker: all that Docker's default profile
// keeps for CAP_SYS_ADMIN.
func confine() {
	refuse := flag.String("refuse", "", "")
	drop := flag.String("drop", "", "")
	flag.Parse()
	runtime.LockOSThread() // it is this thread that becomes the command
	if err := confineThread(*refuse, *drop); err != nil {
		fmt.Fprintln(os.Stderr, "confine:", err)
		os.Exit(1)
	}
	path, err := exec.LookPath(flag.Arg(0))
	if err == nil {
		err = syscall.Exec(path, flag.Args(), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "confine:", err)
	os.Exit(1)
}

func confineThread(refuse, drop string) error {
	for _, name := range strings.FieldsFunc(drop, func(r rune) bool { return r == ',' }) {
		c, ok := map[string]uintptr{
			"sys_admin": unix.CAP_SYS_ADMIN, "net_admin": unix.CAP_NET_ADMIN, "setpcap": unix.CAP_SETPCAP, "sys_chroot": unix.CAP_SYS_CHROOT,
		}[name]
		if !ok {
			return fmt.Errorf("no capability %q", name)
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("drop %s: %w", name, err)
		}
	}
	if refuse == "" {
		return nil
	}
	if rest, ok := strings.CutPrefix(refuse, "docker"); ok {
		refuse = "clone-namespaces,clone3=ENOSYS,unshare,setns,mount,umount2,pivot_root,sethostname,bpf,fsopen,fsmount,move_mount,open_tree,mount_setattr" + rest
	}
	filter := []unix.SockFilter{load(0)} // the call's number, at the beginning of struct seccomp_data
	for what := range strings.SplitSeq(refuse, ",") {
		name, number, _ := strings.Cut(what, "=")
		errno := uint32(syscall.EPERM)
		switch number {
		case "":
		case "ENOSYS":
			errno = uint32(syscall.ENOSYS)
		case "ENOENT":
			errno = uint32(syscall.ENOENT)
		default:
			return fmt.Errorf("no error number %q", number)
		}
		rule, ok := refusable()[name]
		if !ok {
			return fmt.Errorf("nothing to refuse by the name of %q", name)
		}
		filter = append(filter, rule(unix.SECCOMP_RET_ERRNO|errno)...)
	}
	filter = append(filter, give(unix.SECCOMP_RET_ALLOW))
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// refusable are rules that end with an action, or leave the call's number loaded.
func refusable() map[string]func(action uint32) []unix.SockFilter {
	call := func(number uint32) func(uint32) []unix.SockFilter {
		return func(action uint32) []unix.SockFilter { return []unix.SockFilter{unless(number, 1), give(action)} }
	}
	const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	with := func(flags uint32) func(uint32) []unix.SockFilter {
		return func(action uint32) []unix.SockFilter {
			return []unix.SockFilter{
				unless(unix.SYS_CLONE, 4), load(argument(0)),
				{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: flags, Jf: 1}, give(action), load(0),
			}
		}
	}
	return map[string]func(uint32) []unix.SockFilter{
		"clone-namespaces": with(namespaces),
		"clone-user":       with(unix.CLONE_NEWUSER),
		"clone-net":        with(unix.CLONE_NEWNET),
		"clone-pid":        with(unix.CLONE_NEWPID),
		"clone-mount":      with(unix.CLONE_NEWNS),
		"netfilter": func(action uint32) []unix.SockFilter { // socket(AF_NETLINK, …, NETLINK_NETFILTER)
			return []unix.SockFilter{
				unless(unix.SYS_SOCKET, 6), load(argument(0)), unless(unix.AF_NETLINK, 3),
				load(argument(2)), unless(unix.NETLINK_NETFILTER, 1), give(action), load(0),
			}
		},
		"clone3": call(unix.SYS_CLONE3), "unshare": call(unix.SYS_UNSHARE), "setns": call(unix.SYS_SETNS),
		"mount": call(unix.SYS_MOUNT), "umount2": call(unix.SYS_UMOUNT2), "pivot_root": call(unix.SYS_PIVOT_ROOT),
		"sethostname": call(unix.SYS_SETHOSTNAME), "bpf": call(unix.SYS_BPF), "fsopen": call(unix.SYS_FSOPEN),
		"fsmount": call(unix.SYS_FSMOUNT), "move_mount": call(unix.SYS_MOVE_MOUNT), "open_tree": call(unix.SYS_OPEN_TREE),
		"mount_setattr":           call(unix.SYS_MOUNT_SETATTR),
		"landlock_create_ruleset": call(unix.SYS_LANDLOCK_CREATE_RULESET),
	}
}

// argument is where the low half of a call's argument is, on little-endian
// machines.
func argument(n uint32) uint32 { return 16 + 8*n }

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// unless skips instructions when what is loaded is not the value.
func unless(value uint32, skip uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: skip}
}

func give(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}
