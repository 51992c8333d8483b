package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A container is a sandbox whose namespaces somebody else makes: a container
// engine starts this program as the first process of one that has no network,
// with the capabilities of containerCapabilities, and that process does there
// what it does in a sandbox of New.

// ContainerCapabilities are those that the container's first process needs. The
// command has none of them, except CAP_SETPCAP where the engine gives it to all.
func ContainerCapabilities() []string { return []string{"SYS_ADMIN", "NET_ADMIN", "SETPCAP"} }

// notTheCommands are the capabilities that a container has for its set-up alone.
const notTheCommands = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN

// Adopt makes a sandbox of a container whose first process has connected to
// ContainerLink. It takes the connection over. Errors are *StepError.
func Adopt(ctx context.Context, c *net.UnixConn, n Network) (*Sandbox, error) {
	init, pidfd, err := peer(c)
	if err != nil {
		c.Close()
		return nil, &StepError{Step: "find the container's first process", Err: err}
	}
	s := &Sandbox{ended: make(chan struct{}), terminal: terminal{fd: -1}, link: &link{conn: c}, pid: init.Pid, init: init, rung: ByEngine}
	if len(n.HostPorts) > 0 {
		s.hostPorts = &hostPorts{network: n, link: s.link}
	}
	stop := context.AfterFunc(ctx, s.kill)
	go func() {
		awaitExit(pidfd)
		stop()
		close(s.ended)
	}()
	err = s.link.send(toInit{Setup: setupOf(n, "")})
	if err == nil {
		err = s.awaitReady()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// peer is the process at the other end, which no other can take the number of
// while the pidfd says that it lives.
func peer(c *net.UnixConn) (*os.Process, int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, -1, err
	}
	var cred *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, -1, err
	}
	if failed != nil {
		return nil, -1, failed
	}
	if cred.Pid == 0 {
		return nil, -1, errors.New("it is on another machine, or in another container")
	}
	pidfd, err := unix.PidfdOpen(int(cred.Pid), 0)
	if err != nil {
		return nil, -1, err
	}
	p, err := os.FindProcess(int(cred.Pid))
	if err != nil {
		unix.Close(pidfd)
		return nil, -1, err
	}
	return p, pidfd, nil
}

// awaitExit waits for the end of a process that is no child of this one.
func awaitExit(pidfd int) {
	defer unix.Close(pidfd)
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// ContainerMain runs a container's first process if this is one, and does not
// return then. Call it before anything else in main.
func ContainerMain(prepare Prepare) {
	if os.Args[0] != ContainerInit || os.Getpid() != 1 {
		return
	}
	setName(initName)
	c, err := net.Dial("unix", ContainerLink)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cachex-init:", err) // the engine keeps it
		os.Exit(1)
	}
	p := &first{link: &link{conn: c.(*net.UnixConn)}, echoes: newEchoes()}
	if err := p.runContained(prepare); err != nil {
		p.link.send(toParent{Failed: asFailure(err)}) // fails when the parent is gone
		os.Exit(1)
	}
	os.Exit(0)
}

func (p *first) runContained(prepare Prepare) error {
	var m toInit
	if _, err := p.link.receive(&m); err != nil || m.Setup == nil {
		return &StepError{Step: "read how the sandbox is to be made", Err: errors.Join(err, errors.New("cachex is gone"))}
	}
	p.how = *m.Setup
	p.how.Kept = boundingSet() &^ notTheCommands
	if err := ownNamespaces(p.how.HostNet, p.how.HostMount, true); err != nil {
		return err
	}
	var sockets *sockets
	err := writable("/proc/sys", func() (err error) {
		sockets, err = setUpNetwork(p.how, networkGround())
		return err
	})
	if err != nil {
		return err
	}
	sockets.ready.Net, sockets.ready.Pid = namespaceOf("net"), namespaceOf("pid")
	if err := p.mounts.beginContained(); err != nil { // before ContainerDir is removed outside
		return err
	}
	if err := p.link.send(toParent{Ready: &sockets.ready}, sockets.fds...); err != nil {
		return &StepError{Step: "hand the sockets out", Err: err}
	}
	sockets.close()
	if err := p.mounts.placeNames(); err != nil {
		return &StepError{Step: "place the private name service files", Err: err}
	}
	m = toInit{}
	streams, err := p.link.receive(&m)
	if err != nil || m.Start == nil || m.Start.Container == nil || len(streams) != 4 {
		return &StepError{Step: "wait for the command", Err: errors.Join(err, errors.New("cachex is gone"))}
	}
	unix.Close(streams[3]) // no private files: they are made here
	if m.Start.HostPorts != nil {
		if err := setHostPorts(*m.Start.HostPorts); err != nil {
			return &StepError{Step: "open the host's ports", Err: err}
		}
	}
	if err := p.contain(m.Start, prepare); err != nil {
		return err
	}
	p.echoes.watch()
	return p.command(m.Start, streams[:3])
}

// contain gives the command what the container says of it.
func (p *first) contain(s *start, prepare Prepare) error {
	c := s.Container
	who, err := lookUser("/", c.User)
	if err != nil {
		return &StepError{Step: "find the user", Err: err, Hint: "--user takes a number as well, which need not be in /etc/passwd"}
	}
	env := who.environment(os.Environ())
	env = lastOfEach(slices.Concat(env, s.Env))
	err = writable("/dev", func() error { // it is not in a container that is read-only
		var trees []Tree
		if trees, env, err = prepare(c.Data, env); err != nil {
			return &StepError{Step: "prepare the trust stores", Err: err}
		}
		return p.mounts.finishContained(trees)
	})
	if err != nil {
		return err
	}
	if info, err := os.Stat(c.Dir); err != nil || !info.IsDir() {
		return &StepError{Step: "enter the working directory " + c.Dir, Err: errors.Join(errors.New("there is none in the container"), err),
			Hint: "name another one with -w DIR"}
	}
	s.Env = env
	p.dir = c.Dir
	p.sys, p.uid = &syscall.SysProcAttr{Credential: who.credential()}, who.uid
	s.Path, err = lookCommand(c.Dir, s.Args[0], env)
	return err
}

// lookCommand finds a program as a shell does, in a PATH. What it does not find
// is the same error as that of an exec.
func lookCommand(dir, name string, env []string) (string, error) {
	if name == "" {
		return "", syscall.ENOENT
	}
	if strings.Contains(name, "/") {
		if _, err := os.Stat(rooted(dir, name)); err != nil {
			return "", syscall.ENOENT
		}
		return name, nil
	}
	path := ""
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	failed := syscall.ENOENT
	for _, d := range filepath.SplitList(path) {
		at := rooted(dir, filepath.Join(d, name))
		info, err := os.Stat(at)
		switch {
		case err != nil || info.IsDir():
		case info.Mode()&0o111 == 0:
			failed = syscall.EACCES
		default:
			return at, nil
		}
	}
	return "", failed
}

func rooted(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// writable makes a mount of the engine's writable while do runs.
func writable(path string, do func() error) error {
	var now unix.Statfs_t
	if err := unix.Statfs(path, &now); err != nil || now.Flags&unix.ST_RDONLY == 0 {
		return do()
	}
	flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT)
	for st, ms := range map[int64]uintptr{unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV, unix.ST_NOEXEC: unix.MS_NOEXEC} {
		if int64(now.Flags)&st != 0 {
			flags |= ms
		}
	}
	// Where this fails, the file that is to be written there stays as it is.
	opened := unix.Mount("", path, "", flags, "") == nil
	err := do()
	if !opened {
		return err
	}
	if e := unix.Mount("", path, "", flags|unix.MS_RDONLY, ""); e != nil && err == nil {
		err = &StepError{Step: "protect " + path + " again", Err: e}
	}
	return err
}

// beginContained is begin for the mounts of a container: those that the engine
// has made stay.
func (m *mounts) beginContained() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return &StepError{Step: "separate the mounts", Err: err}
	}
	// What this program came with is gone from here on, and may go outside.
	for unix.Unmount(ContainerDir, unix.MNT_DETACH) == nil {
	}
	detachCopies()
	m.scratch = ContainerDir
	if err := unix.Mount("cachex", m.scratch, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return &StepError{Step: "mount a tmpfs", Err: err}
	}
	return nil
}

// detachCopies unmounts ContainerDir where a mount has brought the container's own
// root into it: a home directory that is the working directory, with the engine's
// storage below. It could not be removed while it is a mount point anywhere.
func detachCopies() {
	b, _ := os.ReadFile("/proc/self/mountinfo") // proc_pid_mountinfo(5); a removal says what is wrong
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasSuffix(f[4], ContainerDir) {
			_ = unix.Unmount(f[4], unix.MNT_DETACH) // as above
		}
	}
}

// finishContained places the trees and takes the place for it all away.
func (m *mounts) finishContained(trees []Tree) error {
	if err := m.place(trees); err != nil {
		return err
	}
	if err := unix.Unmount(m.scratch, unix.MNT_DETACH); err != nil {
		return &StepError{Step: "detach the tmpfs", Err: err}
	}
	if err := os.Remove(ContainerDir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return &StepError{Step: "remove " + ContainerDir, Err: err}
	}
	return nil
}
