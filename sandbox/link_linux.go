package sandbox

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Each message is one of these structs with exactly one field set.
type (
	toInit struct {
		Setup     *setup
		Place     *private // with their data, if setup.Early says so
		Start     *start
		Signal    syscall.Signal
		IsStopped bool // asks; the answer is StillStopped, or none
		HostPorts *openPorts
		Dial      *dial // the answer is Dialled
	}
	toParent struct {
		Ready        *ready
		Started      bool
		Failed       *failure
		Stopped      bool // the command was, and may go on by now
		StillStopped bool
		Dialled      *dialled
		Exited       *exit
	}
)

// setup is how the sandbox is to be made.
type setup struct {
	HostNet, HostMount string // the namespaces outside
	Kept               uint64 // the capabilities that exist outside
	HostPorts          bool   // some are to be reached; which ones is told later
	Redirect           []netip.AddrPort
	Without            Part // Processes or Mounts
	Guard              bool // of an environment
	Rootless           bool // sudo has no power
	Early              bool // Place comes, before Ready is sent
	// Program is this one's path, which stands in the places of Mappers, newuidmap
	// and newgidmap, where there are ids to map; "" where there are none.
	Program string
	Mappers []string
}

// private comes with a file with the Data of all Files of the Trees, one after the
// other; Sizes are theirs. (They are more than a socket holds: sending them inline
// took 2 ms of waiting for each other.)
type private struct {
	Trees   []Tree
	Sizes   []int
	Daemons []string
}

// start comes with the three standard streams and the data of Private.
type start struct {
	Path      string
	Args, Env []string
	Private   private
	HostPorts *openPorts // nil when none are asked for
	Scratch   string
	Container *Container   // nil unless the sandbox is one
	Screen    *screenShape // of the terminal that the command gets, nil for none
}

// exit is how the command ended.
type exit struct {
	State   State
	Refused []uint16 // loopback ports that had no listener
}

// newStart takes the data out of the trees.
func newStart(c Config) (*start, *os.File, error) {
	files, data, err := newPrivate(c.Trees, c.Daemons)
	return &start{Path: c.Path, Args: c.Args, Env: c.Env, Private: files, Scratch: c.Scratch, Container: c.Container, Screen: screenOf(c)}, data, err
}

// newPrivate takes the data out of trees.
func newPrivate(trees []Tree, daemons []string) (private, *os.File, error) {
	p := private{Daemons: daemons}
	fd, err := unix.MemfdCreate("cachex", unix.MFD_CLOEXEC)
	if err != nil {
		return p, nil, err
	}
	f := os.NewFile(uintptr(fd), "cachex data")
	for _, t := range trees {
		t.Files = slices.Clone(t.Files)
		for i := range t.Files {
			data := t.Files[i].Data
			if _, err := f.Write(data); err != nil {
				f.Close()
				return p, nil, err
			}
			p.Sizes = append(p.Sizes, len(data))
			t.Files[i].Data = nil
		}
		p.Trees = append(p.Trees, t)
	}
	return p, f, nil
}

// fill puts the data back. It is mapped, for good: a copy is a hundred pages more.
func (p *private) fill(fd int) error {
	defer unix.Close(fd)
	total := 0
	for _, n := range p.Sizes {
		total += n
	}
	if total == 0 {
		return nil
	}
	all, err := unix.Mmap(fd, 0, total, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return err
	}
	next := 0
	for _, t := range p.Trees {
		for i := range t.Files {
			n := p.Sizes[next]
			next++
			t.Files[i].Data, all = all[:n:n], all[n:]
		}
	}
	return nil
}

// ready comes with sockets, in this order: TCP, DNS, DNSStream.
type ready struct {
	TCP, DNS, DNSStream int
	Unredirected        *failure // why 80 and 443 alone lead to TCP
	Net, Pid            string   // the namespaces that init is in
	Guarded             bool
}

// failure is a StepError, or an ExecError when Step is empty, on its way.
type failure struct {
	Step, Text, Hint string
	Part             Part
	Errno            syscall.Errno
}

func (f *failure) error() error {
	if f.Step == "" {
		return &ExecError{f.Errno}
	}
	return f.step()
}

func (f *failure) step() *StepError {
	return &StepError{Step: f.Step, Part: f.Part, Err: &stepCause{f.Text, f.Errno}, Hint: f.Hint}
}

// stepCause keeps an error's words and its number across the link.
type stepCause struct {
	text  string
	errno syscall.Errno
}

func (e *stepCause) Error() string { return e.text }
func (e *stepCause) Unwrap() error {
	if e.errno == 0 {
		return nil
	}
	return e.errno
}

// link sends messages and descriptors between parent and init. A frame is the
// length (4 bytes, which the descriptors travel with) and the message's values.
type link struct {
	conn    *net.UnixConn
	sending sync.Mutex
}

// newLink takes over a socket.
func newLink(fd int) (*link, error) {
	f := os.NewFile(uintptr(fd), "cachex link")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return &link{conn: c.(*net.UnixConn)}, nil
}

func (l *link) send(message any, fds ...int) error {
	frame := encode(make([]byte, 4, 4096), reflect.ValueOf(message))
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	n, _, err := l.conn.WriteMsgUnix(frame, rights, nil)
	if err == nil && n < len(frame) {
		_, err = l.conn.Write(frame[n:])
	}
	return err
}

// maxRights is the kernel's SCM_MAX_FD.
const maxRights = 253

func (l *link) receive(message any) (fds []int, err error) {
	var head [4]byte
	oob := make([]byte, unix.CmsgSpace(maxRights*4))
	n, oobn, _, _, err := l.conn.ReadMsgUnix(head[:], oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	if _, err := io.ReadFull(l.conn, head[n:]); err != nil {
		return nil, err
	}
	if fds, err = rightsOf(oob[:oobn]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(l.conn, body); err != nil {
		return fds, err
	}
	w := wire{rest: body}
	w.decode(reflect.ValueOf(message).Elem())
	return fds, w.err
}

func rightsOf(oob []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("control message: %w", err)
	}
	var fds []int
	for i := range messages {
		got, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, fmt.Errorf("descriptors: %w", err)
		}
		fds = append(fds, got...)
	}
	return fds, nil
}

// shutdown lets the other side read the end, and goes on reading.
func (l *link) shutdown() { l.conn.CloseWrite() } // fails when it has ended

func (l *link) close() { l.conn.Close() }
