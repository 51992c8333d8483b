//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Variables that tell the program within the namespaces of its directory, and which
// namespaces are those outside.
const (
	insideDir  = "CACHEX_BENCH_DIR"
	outsideIDs = "CACHEX_BENCH_OUTSIDE"
)

// enter runs this program again in namespaces of its own, and cleans up after it.
func enter() (err error) {
	if os.Getuid() != 0 {
		return errors.New("it needs root, for Squid changes its user")
	}
	dir, err := os.MkdirTemp("", "cachex-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // nginx and Squid are other users
		return err
	}
	ids, err := namespaces()
	if err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideDir+"="+dir, outsideIDs+"="+ids)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case s := <-interrupted:
		cmd.Process.Kill() // the first of its namespace: all others end with it
		<-ended
		return fmt.Errorf("ended by signal %v", s)
	}
}

// namespaces names those that this program is in.
func namespaces() (string, error) {
	var ids []string
	for _, kind := range []string{"net", "mnt", "pid"} {
		id, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			return "", err
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, " "), nil
}

// furnish gives the new namespaces a /proc, and loopback the origin's address and
// name. It refuses to touch namespaces that are not new.
func furnish(hosts string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if links, err := netlink.LinkList(); err != nil || len(links) != 1 || lo.Attrs().Flags&net.FlagUp != 0 {
		return errors.Join(err, errors.New("the network namespace is not a new one"))
	}
	now, err := namespaces()
	if err != nil {
		return err
	}
	outside := strings.Fields(os.Getenv(outsideIDs))
	for i, id := range strings.Fields(now) {
		if i >= len(outside) || id == outside[i] {
			return fmt.Errorf("%s is not a new namespace", id)
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("separate the mounts: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(address), Mask: net.CIDRMask(32, 32)}}); err != nil {
		return fmt.Errorf("add the origin's address: %w", err)
	}
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost\n"+address+" "+host+"\n"), 0o644); err != nil {
		return err
	}
	if err := unix.Mount(hosts, "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount /etc/hosts: %w", err)
	}
	return nil
}

// withParent has a process end when this one does.
func withParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
