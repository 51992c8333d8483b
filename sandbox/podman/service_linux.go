package podman

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containers/podman/v4/pkg/bindings"
	"golang.org/x/sys/unix"
)

// Service is a connection to podman's API.
type Service struct {
	conn *bindings.Connection
	own  *ownService // nil when somebody else has started it
	user uint32      // whose it is
}

// Connect finds the service as podman does, and starts one for itself when none
// is running. The environment is for that one. Errors are *Error.
func Connect(ctx context.Context, env []string) (*Service, error) {
	at, named, err := findService(os.Getenv)
	if err != nil {
		return nil, err
	}
	s := &Service{}
	err = s.connect(ctx, at)
	if err != nil && !named && isAbsent(err) {
		dir, err := NewDir()
		if err != nil {
			return nil, err
		}
		return Start(ctx, dir, env)
	}
	if err != nil {
		return nil, connectError(at, named, err)
	}
	return s, nil
}

// Start starts a service that ends with this process. The environment is its. The
// directory has its socket, and is removed at the end, also when this process is
// killed; so are the containers that it has made and that are left then.
func Start(ctx context.Context, dir string, env []string) (*Service, error) {
	own, err := startService(dir, env)
	if err != nil {
		return nil, err
	}
	s := &Service{own: own}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with own, which ends with s
		select {
		case <-own.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err = s.connect(ctx, own.address()); err == nil {
		return s, nil
	}
	own.stop()
	return nil, own.failed(err)
}

func (s *Service) connect(ctx context.Context, at string) error {
	path, ok := strings.CutPrefix(at, unixScheme)
	if !ok {
		return errElsewhere
	}
	// The bindings ask three times before they say that nobody is there.
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return err
	}
	// Asking the service itself (/info) takes a third of a second.
	cred, err := peer(c.(*net.UnixConn))
	c.Close()
	if err != nil {
		return err
	}
	s.user = cred.Uid
	with, err := bindings.NewConnection(ctx, at)
	if err != nil {
		return err
	}
	s.conn, err = bindings.GetClient(with)
	return err
}

// errElsewhere is for services whose files and namespaces are not this machine's.
var errElsewhere = errors.New("it may be on another machine")

// peer is who has opened the socket at the other end.
func peer(c *net.UnixConn) (cred *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	failed := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return cred, errors.Join(failed, err)
}

// Close ends the service if it is an own one.
func (s *Service) Close() {
	if s == nil {
		return
	}
	s.conn.Client.CloseIdleConnections()
	s.own.stop()
}

// why adds what an own service said before it ended.
func (s *Service) why(err error) error {
	if s.own != nil && s.own.hasEnded() {
		return s.own.failed(err)
	}
	return err
}

// isAbsent tells that nobody listens at a socket.
func isAbsent(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)
}

// ownService is a child process that serves the API on a socket of its own.
type ownService struct {
	dir   string
	cmd   *exec.Cmd
	said  bytes.Buffer // read when it has ended
	ended chan struct{}
	once  sync.Once
}

// socketScript makes podman take a socket that is open already, as systemd hands
// one over (sd_listen_fds(3)): whoever connects waits until it answers, and need
// not ask again and again. The shell stays, for cachex may be killed: it gets a
// signal then, ends podman, removes the containers unless cachex has done so, and
// the directory. (The first wait ends with the signal.)
const socketScript = `dir=$1; owner=$2; podman=$3; ended=; service=
trap 'ended=1; [ -z "$service" ] || kill $service' TERM
sh -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" system service --time=0' "$podman" &
service=$!
[ -z "$ended" ] || kill $service
wait $service; wait $service
[ -e "$dir/closed" ] || "$podman" rm --force --time 0 --filter "label=$owner"
rm -rf "$dir"`

func startService(dir string, env []string) (*ownService, error) {
	path, err := exec.LookPath("podman")
	if err != nil {
		os.RemoveAll(dir)
		return nil, &Error{Step: "find podman", Err: errors.New("no service is running, and podman is not installed"),
			Hint: "install podman (apt-get, dnf, apk, zypper or pacman), or name a service of this machine with CONTAINER_HOST=unix:///PATH"}
	}
	o := &ownService{dir: dir, ended: make(chan struct{})}
	fail := func(step string, err error) (*ownService, error) {
		os.RemoveAll(o.dir)
		return nil, &Error{Step: step, Err: err}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: o.socket(), Net: "unix"})
	if err != nil {
		return fail("open the service's socket", err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	f, err := l.File()
	if err != nil {
		return fail("open the service's socket", err)
	}
	defer f.Close()
	o.cmd = exec.Command("/bin/sh", "-c", socketScript, "sh", o.dir, ownerLabel+"="+owner(), path)
	// With either, empty or not, podman is a client and serves nothing.
	o.cmd.Env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		return strings.HasPrefix(kv, "CONTAINER_HOST=") || strings.HasPrefix(kv, "CONTAINER_CONNECTION=")
	})
	o.cmd.ExtraFiles = []*os.File{f}
	o.cmd.Stdout, o.cmd.Stderr = &o.said, &o.said
	// Of its own group: a Ctrl-C is for the command, and the service must be there
	// to remove the container.
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	o.cmd.WaitDelay = time.Second // others may have the streams that it had
	if err := o.cmd.Start(); err != nil {
		return fail("start the service", err)
	}
	go func() {
		o.cmd.Wait()
		close(o.ended)
	}()
	return o, nil
}

func (o *ownService) socket() string  { return filepath.Join(o.dir, "sock") }
func (o *ownService) address() string { return unixScheme + o.socket() }

func (o *ownService) hasEnded() bool {
	select {
	case <-o.ended:
		return true
	default:
		return false
	}
}

// stop ends the service and removes its socket.
func (o *ownService) stop() {
	if o == nil {
		return
	}
	o.once.Do(func() {
		_ = os.WriteFile(filepath.Join(o.dir, "closed"), nil, 0o600) // else podman looks for nothing
		o.cmd.Process.Signal(syscall.SIGTERM)                        // fails when it has ended
		<-o.ended
		os.RemoveAll(o.dir) // if the shell was killed
	})
}

// failed is for a service that has ended too early.
func (o *ownService) failed(err error) error {
	if !o.hasEnded() {
		return err
	}
	said := strings.TrimSpace(o.said.String())
	if i := strings.LastIndexByte(said, '\n'); i >= 0 {
		said = said[i+1:]
	}
	return &Error{Step: "start podman's service", Err: fmt.Errorf("it ended: %s", said),
		Hint: "podman info must work first: it says what is missing"}
}
