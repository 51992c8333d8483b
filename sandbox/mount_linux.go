package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Files that name look-ups depend on, and sockets of daemons that would answer
// them from outside.
const (
	resolvConf = "/etc/resolv.conf"
	hostsFile  = "/etc/hosts"
	switchFile = "/etc/nsswitch.conf"
)

func nameServiceSockets() []string {
	return []string{
		"/run/nscd/socket", "/var/run/nscd/socket", "/var/cache/nscd/socket",
		"/run/systemd/resolve/io.systemd.Resolve",
		"/run/avahi-daemon/socket", "/var/run/avahi-daemon/socket",
	}
}

// nameServers are those that the sandbox must answer for on loopback.
func nameServers() []netip.Addr {
	b, _ := os.ReadFile(resolvConf) // none is like an empty one
	return loopbackServers(b)
}

// mounts is what the sandbox's mount namespace has of its own.
type mounts struct {
	cwd     string
	scratch string // where the private files are, for as long as they are placed
	layers  []layer
	sudo    []*os.File // what stands in its places
	daemons []*daemon
}

// begin separates the mounts from the host's, and tries what may be refused. A
// /proc of our own takes a pid namespace.
func (m *mounts) begin(proc bool) error {
	m.cwd, _ = os.Getwd() // "" when it was deleted; then it stays as it is
	// Mounts of the host still arrive, ours never go out.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return &StepError{Step: "separate the mounts", Part: Mounts, Err: err}
	}
	// The private files live on a tmpfs that needs some directory for a moment.
	// /proc is there on every system, and nothing of it is covered.
	m.scratch = "/proc"
	if err := unix.Mount("cachex", m.scratch, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return &StepError{Step: "mount a tmpfs", Part: Mounts, Err: err}
	}
	if !proc {
		return nil
	}
	trial := filepath.Join(m.scratch, "trial")
	if err := os.Mkdir(trial, 0o755); err != nil {
		return &StepError{Step: "write to a tmpfs", Part: Mounts, Err: err}
	}
	return mountProc(trial)
}

func mountProc(at string) error {
	if err := unix.Mount("proc", at, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return &StepError{
			Step: "mount /proc", Part: Processes, Err: err,
			Hint: "in a container, unmask /proc (podman and docker run --security-opt unmask=ALL, or --privileged)",
		}
	}
	return nil
}

// finish places the trees and leaves the mounts as the command sees them.
func (m *mounts) finish(trees []Tree, daemons []string, proc bool) error {
	if err := m.place(trees); err != nil {
		return err
	}
	if err := m.placeDaemons(daemons); err != nil {
		return &StepError{Step: "place what stands for a daemon's socket", Err: err}
	}
	// What is mounted of the tmpfs stays; its own place is given back.
	if err := unix.Unmount(m.scratch, unix.MNT_DETACH); err != nil {
		return &StepError{Step: "detach the tmpfs", Err: err}
	}
	if proc {
		if err := mountProc("/proc"); err != nil {
			return err
		}
	}
	if m.cwd != "" {
		_ = os.Chdir(m.cwd) // into the private copy, if it is one
	}
	return nil
}

func (m *mounts) place(trees []Tree) error {
	for i, t := range trees {
		l, err := placeTree(filepath.Join(m.scratch, fmt.Sprint(i)), t)
		if err != nil {
			return &StepError{Step: "place the private copy of " + t.Path, Err: err}
		}
		if t.Empty {
			l.root.Close()
			continue
		}
		m.layers = append(m.layers, l)
	}
	return nil
}

// changed lists the trees that the command has changed.
func (m *mounts) changed() []string {
	var paths []string
	for _, l := range m.layers {
		if l.changed() {
			paths = append(paths, l.path)
		}
	}
	return paths
}

// placeNames makes libc ask our name server.
func (m *mounts) placeNames() error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path   string
		change func([]byte) []byte
	}{
		{resolvConf, privateResolv},
		{switchFile, privateSwitch},
		{hostsFile, func(b []byte) []byte { return privateHosts(b, host) }},
	} {
		now, err := os.ReadFile(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if b := f.change(now); b != nil {
			if _, err := m.cover(f.path, b, 0o644); err != nil {
				return fmt.Errorf("%s: %w", f.path, err)
			}
		}
	}
	for _, s := range nameServiceSockets() {
		if _, err := os.Lstat(s); err != nil {
			continue
		}
		// A connection to something that is not a socket is refused.
		if err := unix.Mount(os.DevNull, s, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// coverWith mounts a file over another.
func (m *mounts) coverWith(source, path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return unix.Mount(source, real, "", unix.MS_BIND, "")
}

// cover mounts a private file over another, and gives its name.
func (m *mounts) cover(path string, b []byte, mode fs.FileMode) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	private := filepath.Join(m.scratch, strings.ReplaceAll(path[1:], "/", "-"))
	if err := os.WriteFile(private, b, mode); err != nil {
		return "", err
	}
	if err := os.Chmod(private, mode); err != nil { // whatever the umask is
		return "", err
	}
	return private, unix.Mount(private, real, "", unix.MS_BIND, "")
}
