package sandbox

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A daemon outside, such as Docker's, does for the command what it asks for at a
// socket, downloads included, and nobody sees those. To tell at least that it was
// asked, something else stands in the place of the socket that passes on what
// comes.

// daemon is one whose socket is covered.
type daemon struct {
	path string
	real *os.File // the socket's own file
	used atomic.Bool
}

// placeDaemons covers those sockets that are there and that the command may
// connect to. It takes the scratch directory to be there.
func (m *mounts) placeDaemons(paths []string) error {
	for i, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue
		}
		// With the user's rights: access(2) does not look at capabilities.
		if info, err := os.Stat(real); err != nil || info.Mode().Type() != os.ModeSocket || unix.Access(real, unix.W_OK) != nil {
			continue
		}
		if err := m.placeDaemon(path, real, filepath.Join(m.scratch, fmt.Sprintf("daemon-%d", i))); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func (m *mounts) placeDaemon(path, real, private string) error {
	for _, d := range m.daemons {
		if same, err := os.Stat(real); err == nil {
			if known, err := d.real.Stat(); err == nil && os.SameFile(same, known) {
				return nil // by another name
			}
		}
	}
	f, err := os.OpenFile(real, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: private, Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(private, 0o666); err != nil { // those who may not are not let in at the other end
		return err
	}
	if err := unix.Mount(private, real, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	d := &daemon{path: path, real: f}
	m.daemons = append(m.daemons, d)
	go d.serve(l)
	return nil
}

// serve passes connections on until the process ends.
func (d *daemon) serve(l *net.UnixListener) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			time.Sleep(10 * time.Millisecond) // no descriptor is left; one that waits will be
			continue
		}
		d.used.Store(true)
		go d.relay(c)
	}
}

func (d *daemon) relay(c *net.UnixConn) {
	defer c.Close()
	// The name of an open file leads to the socket itself, whatever is mounted over it.
	to, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d", d.real.Fd()), Net: "unix"})
	if err != nil {
		return
	}
	defer to.Close()
	var both sync.WaitGroup
	pass := func(to, from *net.UnixConn) {
		io.Copy(to, from)
		to.CloseWrite() // a build's context ends so, and the answer is still to come
	}
	both.Go(func() { pass(to, c) })
	both.Go(func() { pass(c, to) })
	both.Wait()
}

// usedDaemons are those that the command has connected to.
func (m *mounts) usedDaemons() []string {
	var paths []string
	for _, d := range m.daemons {
		if d.used.Load() {
			paths = append(paths, d.path)
		}
	}
	return paths
}
