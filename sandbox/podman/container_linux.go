package podman

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cachex/sandbox"
)

// Container is a sandbox that is a container.
type Container struct {
	*sandbox.Sandbox
	service *Service
	id      string
	dir     string // with the socket, and the places of mounts
}

// Run makes a container and waits until its network is set up. The context
// bounds the making; a cancelled one ends the container later as well. Errors are *Error or *sandbox.StepError.
func (s *Service) Run(ctx context.Context, c Config, n sandbox.Network) (*Container, error) {
	k := &Container{service: s}
	if err := k.run(ctx, c, n); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

func (k *Container) run(ctx context.Context, c Config, n sandbox.Network) error {
	if err := k.makeDir(); err != nil {
		return err
	}
	// The container's root need not be this user; the directory that this one is
	// in keeps others away.
	shared := filepath.Join(k.dir, "dev")
	if err := os.Mkdir(shared, 0o755); err != nil {
		return &Error{Step: "make a directory for the socket", Err: err}
	}
	p, err := thisProgram()
	if err == nil {
		err = p.makePlaces(shared)
	}
	if err != nil {
		return &Error{Step: "find the parts of this program", Err: err}
	}
	l, err := listenIn(shared, filepath.Base(sandbox.ContainerLink))
	if err != nil {
		return &Error{Step: "open the container's socket", Err: err}
	}
	defer l.Close()
	if err := os.Chmod(filepath.Join(shared, filepath.Base(sandbox.ContainerLink)), 0o666); err != nil {
		return &Error{Step: "open the container's socket", Err: err}
	}
	if c.User, err = k.service.numbered(ctx, c); err != nil {
		return err
	}
	d := k.service.describe(c, p, shared)
	if err := k.start(ctx, d); err != nil {
		return err
	}
	conn, err := k.accept(ctx, l)
	if err != nil {
		return err
	}
	k.service.sweep(ctx)
	if k.Sandbox, err = sandbox.Adopt(ctx, conn, n); err == nil {
		// What is mounted stays mounted. Nothing is left of it if cachex is killed.
		os.RemoveAll(k.dir)
	}
	return err
}

// listenIn listens in a directory, whose path may be longer than a socket's may be.
func listenIn(dir, name string) (*net.UnixListener, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), name), Net: "unix"})
	if err == nil {
		l.SetUnlinkOnClose(false) // by that name it could not; it goes with the directory
	}
	return l, err
}

// makeDir makes the directory of the socket, in that of an own service.
func (k *Container) makeDir() (err error) {
	if k.service.own == nil {
		k.dir, err = NewDir()
		return err
	}
	k.dir = filepath.Join(k.service.own.dir, "box")
	if err := os.Mkdir(k.dir, 0o700); err != nil {
		return &Error{Step: "make a directory for the socket", Err: err}
	}
	return nil
}

// describe is the container as podman's API has it.
func (s *Service) describe(c Config, p program, shared string) spec {
	d := spec{
		Image:       c.Image.ID,
		Entrypoint:  p.entrypoint,
		Command:     []string{},
		Env:         c.Env,
		Hostname:    c.Hostname,
		User:        "0:0", // the command gets its own
		NetNS:       namespace{Mode: "none"},
		UserNS:      s.userNamespace(c.User),
		WorkDir:     "/",
		CapAdd:      sandbox.ContainerCapabilities(),
		SelinuxOpts: []string{"disable"}, // it would keep the container from the socket, and from the user's files
		Remove:      true,
		ReadOnly:    c.ReadOnly,
		Labels:      map[string]string{ownerLabel: owner()},
		Log:         logging{Driver: "k8s-file"},
		Systemd:     "false",
	}
	d.Mounts = append(d.Mounts, bind{
		Source: shared, Destination: sandbox.ContainerDir, Type: "bind", Options: []string{"bind", "ro"},
	})
	d.Mounts = append(d.Mounts, p.mounts...)
	for _, m := range c.Mounts {
		if filepath.IsAbs(m.Source) {
			d.Mounts = append(d.Mounts, bind{Source: m.Source, Destination: m.Target, Type: "bind", Options: append([]string{"rbind"}, m.Options...)})
		} else {
			d.Volumes = append(d.Volumes, volume{m.Source, m.Target, m.Options})
		}
	}
	if c.ReadOnly { // as podman run --read-only does
		for _, at := range []string{"/run", "/tmp", "/var/tmp"} {
			if !slices.ContainsFunc(c.Mounts, func(m Mount) bool { return m.Target == at }) {
				d.Mounts = append(d.Mounts, bind{
					Source: "tmpfs", Destination: at, Type: "tmpfs", Options: []string{"rw", "nosuid", "nodev", "tmpcopyup", "mode=1777"},
				})
			}
		}
	}
	return d
}

// userNamespace makes the command's user the one who runs podman, so that its
// files are theirs. That is root anyway, unless the command is somebody else.
func (s *Service) userNamespace(user string) namespace {
	uid, gid, _ := strings.Cut(user, ":")
	if s.user == 0 || uid == "" || uid == "0" || uid == "root" {
		return namespace{}
	}
	if gid == "" {
		gid = uid
	}
	for _, id := range []string{uid, gid} {
		if _, err := strconv.ParseUint(id, 10, 31); err != nil {
			return namespace{} // a group's name: Service.numbered has made numbers of others
		}
	}
	return namespace{Mode: "keep-id", Value: "uid=" + uid + ",gid=" + gid}
}

// start creates and starts the container, a second time where podman's error
// says what this machine needs.
func (k *Container) start(ctx context.Context, d spec) error {
	var errs error
	for range 4 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := k.try(ctx, d)
		if err == nil {
			return nil
		}
		errs = err
		if k.id != "" {
			k.remove()
		}
		if !adapt(&d, err) {
			break
		}
	}
	return errs
}

func (k *Container) try(ctx context.Context, d spec) error {
	// Never given up half-way: what podman has begun has no name yet.
	ctx = context.WithoutCancel(ctx)
	var c created
	if err := k.service.call(ctx, "POST", "/containers/create", nil, d, &c); err != nil {
		return startError("create the container", err)
	}
	k.id = c.ID
	if err := k.service.call(ctx, "POST", "/containers/%s/start", nil, nil, nil, k.id); err != nil {
		return startError("start the container", err)
	}
	return nil
}

// adapt changes a container so that the error will not come again; it tells
// whether it could.
func adapt(d *spec, err error) bool {
	text := err.Error()
	switch {
	case strings.Contains(text, "rlimit") && d.Rlimits == nil:
		// Podman's own limits are above what it may set here. Those of this process
		// were set by the same system.
		d.Rlimits = limits(math.MaxUint64)
	case strings.Contains(text, "rlimit") && d.Rlimits[0].Hard > lowLimit:
		d.Rlimits = limits(lowLimit) // podman has lowered its own
	case strings.Contains(text, "crun") && d.Runtime == "":
		d.Runtime = "runc"
	default:
		return false
	}
	return true
}

// lowLimit is one that every system allows, and that most give a user to begin
// with (RLIMIT_NOFILE's INR_OPEN_CUR, include/uapi/linux/fs.h).
const lowLimit = 1024

// limits are this process's, of those that podman sets, and none above a bound.
func limits(bound uint64) []rlimit {
	// Podman gives itself as many processes as there can be numbers (pid_max).
	b, _ := os.ReadFile("/proc/sys/kernel/pid_max")
	numbers, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		numbers = bound
	}
	var all []rlimit
	for _, l := range []struct {
		name  string
		kind  int
		bound uint64
	}{{"nofile", unix.RLIMIT_NOFILE, bound}, {"nproc", unix.RLIMIT_NPROC, min(bound, numbers)}} {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.kind, &now); err == nil {
			all = append(all, rlimit{Type: l.name, Hard: min(now.Max, l.bound), Soft: min(now.Cur, l.bound)})
		}
	}
	return all
}

// accept waits for the container's first process, or for its early end.
func (k *Container) accept(ctx context.Context, l *net.UnixListener) (*net.UnixConn, error) {
	waiting, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// An answer, also that there is no such container any more, is its end.
		_ = k.service.call(waiting, "POST", "/containers/%s/wait", url.Values{"condition": {"stopped"}}, nil, nil, k.id)
		l.SetDeadline(time.Unix(1, 0))
	}()
	conn, err := l.AcceptUnix()
	cancel()
	<-ended
	if ctx.Err() != nil && conn == nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, &Error{Step: "start the container", Err: errors.New("its first process ended early"),
			Hint: "podman logs and podman events may say more"}
	}
	return conn, nil
}

// Close removes the container and waits for its end. It is safe to call again.
func (k *Container) Close() {
	if k == nil {
		return
	}
	if k.Sandbox != nil {
		k.Sandbox.Close()
	}
	if k.id != "" {
		k.remove()
	}
	if k.dir != "" {
		os.RemoveAll(k.dir)
	}
}

// endTime bounds the removal of a container whose processes have ended.
const endTime = 30 * time.Second

func (k *Container) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	// It removes itself as well; whoever comes second finds none.
	_ = k.service.call(ctx, "DELETE", "/containers/%s", url.Values{"force": {"true"}, "v": {"true"}}, nil, nil, k.id)
	k.id = ""
}

func startError(step string, err error) error {
	e := &Error{Step: step, Err: fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "podman: "))}
	return e
}
