package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// originName is the server's name where it can have one. Some clients check no
// certificate for an address (httpc of Erlang/OTP 25, pip 24.2).
const originName = "origin.example"

// parentNamespace, in the environment, is the mount namespace of the process
// that started this one for the sake of a name.
const parentNamespace = "CACHEX_TRUST_NAMESPACE"

// again runs this program once more in a mount namespace of its own, in which a
// file with the server's name is put over /etc/hosts. Only root can; others use
// the address.
func again() (*exec.Cmd, error) {
	here, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), parentNamespace+"="+here)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return cmd, nil
}

// nameOrigin makes the name known, and tells which one it is: the address where
// there is no namespace for it.
func nameOrigin(ip, work string) (string, error) {
	parent := os.Getenv(parentNamespace)
	if parent == "" {
		return ip, nil
	}
	if err := os.Unsetenv(parentNamespace); err != nil {
		return "", err
	}
	here, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return "", err
	}
	if here == parent {
		return "", fmt.Errorf("%s is the parent's namespace", here)
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		return "", err
	}
	file := filepath.Join(work, "hosts")
	if err := os.WriteFile(file, fmt.Appendf(hosts, "\n%s %s\n", ip, originName), 0o644); err != nil {
		return "", err
	}
	return originName, syscall.Mount(file, "/etc/hosts", "", syscall.MS_BIND, "")
}
