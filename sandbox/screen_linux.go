package sandbox

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A command in a container gets a terminal of the container's: the user's would
// be nobody's controlling terminal there. So does one whose text goes through a
// Display. This side copies between the two.

// screenShape is what a new terminal takes over from the user's.
type screenShape struct {
	Size    unix.Winsize
	Termios unix.Termios
	Streams [3]bool // which of the standard streams it replaces
}

// screenOf is nil unless the command gets a terminal.
func screenOf(c Config) *screenShape {
	termios, err := unix.IoctlGetTermios(int(c.Stdin.Fd()), unix.TCGETS)
	if c.Display == nil && (c.Container == nil || !c.Container.Terminal) || err != nil {
		return nil
	}
	shape := screenShape{Termios: *termios}
	if size, err := unix.IoctlGetWinsize(int(c.Stdin.Fd()), unix.TIOCGWINSZ); err == nil {
		shape.Size = *size
		if c.Display != nil {
			shape.Size.Row = uint16(c.Display.Rows(int(size.Row), int(size.Col)))
		}
	}
	for i, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		shape.Streams[i] = err == nil
	}
	return &shape
}

// openScreen makes the terminal and puts it in the place of streams. Its owner
// is the command's user, as whom a container's first process does not run.
func (p *first) openScreen(shape screenShape, streams []int) (*os.File, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	var slave *os.File
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		return nil, err
	}
	defer slave.Close()
	if p.sys == nil {
		p.sys = &syscall.SysProcAttr{}
	} else {
		_ = slave.Chown(int(p.uid), -1) // for programs that open /dev/tty
	}
	_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &shape.Size)             // 0 by 0 is "unknown"
	_ = unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, &shape.Termios) // they stay the usual ones
	for i := range streams[:3] {
		if shape.Streams[i] {
			if err := unix.Dup3(int(slave.Fd()), streams[i], unix.O_CLOEXEC); err != nil {
				master.Close()
				return nil, err
			}
		}
	}
	// The session is this process's, and the command a job of it: one whose parent
	// is in no session of the same terminal cannot be stopped from there (POSIX,
	// orphaned process group).
	_, _ = unix.Setsid() // it has a session already, or gets one
	on := slices.Index(shape.Streams[:], true)
	if err := unix.IoctlSetInt(streams[on], unix.TIOCSCTTY, 0); err == nil {
		p.sys.Foreground, p.sys.Ctty, p.job = true, streams[on], true
	} else {
		p.sys.Setsid, p.sys.Setctty, p.sys.Ctty = true, true, on
	}
	return master, nil
}

// leaveScreen gives the terminal up. At the end of a session's leader the kernel hangs
// its terminal up, and what nobody has read by then is lost; not so where the leader
// has left it before (disassociate_ctty in drivers/tty/tty_jobctrl.c).
func (p *first) leaveScreen() {
	if p.master == nil || !p.job {
		return
	}
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0); err == nil {
		_ = unix.IoctlSetInt(int(tty.Fd()), unix.TIOCNOTTY, 0) // then it is as it was
		tty.Close()
	}
}

// takeMaster gives the terminal's descriptor, if there is one, for a message.
func (p *first) takeMaster() []int {
	if p.master == nil {
		return nil
	}
	return []int{int(p.master.Fd())}
}

// screen is the user's terminal while the command has one of its own.
type screen struct {
	user    *os.File
	display Display // nil shows all as it is
	before  unix.Termios
	master  *os.File
	stop    [2]*os.File // closing the second ends the copying
	resized chan os.Signal
	copying sync.WaitGroup
	ended   sync.Once
}

// showScreen begins to copy. It takes the master over.
func showScreen(master int, c Config) *screen {
	s := &screen{user: c.Stdin, display: c.Display, master: os.NewFile(uintptr(master), "terminal"), resized: make(chan os.Signal, 1)}
	if t, err := unix.IoctlGetTermios(int(s.user.Fd()), unix.TCGETS); err == nil {
		s.before = *t
	}
	s.enter()
	signal.Notify(s.resized, syscall.SIGWINCH)
	s.copying.Go(func() {
		for range s.resized {
			s.resize()
		}
	})
	var shown io.Writer = screenOutput(c)
	if c.Display != nil {
		shown = c.Display
	}
	s.copying.Go(func() { io.Copy(shown, s.master) }) // until nobody in the sandbox has it
	var err error
	if s.stop[0], s.stop[1], err = os.Pipe(); err == nil {
		s.copying.Go(s.keys)
	}
	return s
}

// screenOutput is where the terminal's text goes.
func screenOutput(c Config) *os.File {
	for _, f := range []*os.File{c.Stdout, c.Stderr} {
		if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
			return f
		}
	}
	return c.Stdin
}

// keys copies what is typed. A read alone could not be ended.
func (s *screen) keys() {
	b := make([]byte, 4096)
	for {
		fds := []unix.PollFd{{Fd: int32(s.user.Fd()), Events: unix.POLLIN}, {Fd: int32(s.stop[0].Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		}
		if fds[1].Revents != 0 {
			return
		}
		n, err := unix.Read(int(s.user.Fd()), b)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != nil || n <= 0 {
			return // the terminal is gone, and a hangup comes
		}
		if _, err := s.master.Write(b[:n]); err != nil {
			return
		}
	}
}

// enter makes the user's terminal hand every key on.
func (s *screen) enter() {
	if s == nil {
		return
	}
	raw := s.before
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	_ = unix.IoctlSetTermios(int(s.user.Fd()), unix.TCSETSW, &raw) // it is gone
	s.resize()
}

// leave gives the user's terminal back as it was.
func (s *screen) leave() {
	if s == nil {
		return
	}
	if s.display != nil {
		s.display.Leave()
	}
	_ = unix.IoctlSetTermios(int(s.user.Fd()), unix.TCSETSW, &s.before) // as above
}

func (s *screen) resize() {
	size, err := unix.IoctlGetWinsize(int(s.user.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return
	}
	if s.display != nil {
		rows, columns := int(size.Row), int(size.Col)
		s.display.Enter(rows, columns)
		size.Row = uint16(s.display.Rows(rows, columns))
	}
	_ = unix.IoctlSetWinsize(int(s.master.Fd()), unix.TIOCSWINSZ, size) // nobody looks any more
}

// end waits until all of the command's text is shown.
func (s *screen) end() {
	if s == nil {
		return
	}
	s.ended.Do(func() {
		signal.Stop(s.resized)
		close(s.resized)
		if s.stop[1] != nil {
			s.stop[1].Close()
		}
		s.copying.Wait()
		if s.stop[0] != nil {
			s.stop[0].Close()
		}
		s.master.Close()
		s.leave()
	})
}
