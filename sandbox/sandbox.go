// Package sandbox runs a command that can reach the network only through
// listeners that it is given.
//
// Two processes take part. The parent (sandbox_linux.go) starts its own program
// again in new namespaces; that first process of the sandbox (init_linux.go)
// sets up network and mounts, hands its listening sockets out, starts the build
// and ends with it. They talk over one socket (link_linux.go):
//
//	parent                          init
//	  | ------ setup ----------------> |
//	  | ------ private files --------> |   placed beside what follows, if they come
//	  | <------ ready + sockets ------ |   network is set up
//	  | ------ start + streams ------> |   more files, then exec of the build
//	  | <------- started -------------- |   or failure, at any step
//	  | ------- signal -------------> |   any number of times
//	  | <------- stopped -------------- |   any number of times
//	  | <------- exited -------------- |
//
// When either side is gone the other notices the end of the socket and ends too.
package sandbox

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Network says what the sandbox's network looks like beside the rule that all
// TCP leads to the listeners. The zero value adds nothing.
type Network struct {
	// Redirect lists loopback addresses that lead to the listeners as well,
	// such as a proxy's that the host's settings name.
	Redirect []netip.AddrPort
	// HostPorts are ports of the host's loopback that lead to the listeners as
	// well: at the same loopback address, where no server of the sandbox listens,
	// and at HostAddress. AllPorts stands for every port. One that is closed
	// outside is closed inside, a tenth of a second later at most.
	HostPorts []uint16
	// OwnPorts are never the host's, as they lead into the sandbox.
	OwnPorts []uint16
}

// AllPorts is every port, in Network.HostPorts.
const AllPorts = 0

// HostAddress stands for the host's loopback in a sandbox that has some of its
// ports. It is of the range for benchmarks (RFC 2544), which nobody routes.
func HostAddress() netip.Addr { return netip.AddrFrom4([4]byte{198, 18, 0, 1}) }

// Listeners are sockets that were opened inside the sandbox. Connections to any
// address arrive at TCP, questions to any name server at DNS and DNSStream.
// Whoever serves them closes them.
type Listeners struct {
	TCP       []net.Listener
	DNS       []net.PacketConn
	DNSStream []net.Listener
}

// Config describes the command. It has the user's ids, working directory,
// groups, limits and open files; an ordinary user's command has no capability.
type Config struct {
	// Path is the program's absolute path, Args its argv with argv[0].
	Path string
	Args []string
	// Env is the whole environment.
	Env []string
	// The standard streams. They must be set.
	Stdin, Stdout, Stderr *os.File
	// Trees are directories with files of their own in the sandbox.
	Trees []Tree
	// Daemons are sockets, by their paths, of programs outside that download on the
	// command's behalf. Those that are not there are left out. See State.Daemons.
	Daemons []string
	// Scratch is a directory that an environment (NewEnv) removes at its end; ""
	// is none. It does so too when this process is killed, where the system can.
	Scratch string
	// Container is set for a sandbox of Adopt, and nil for all others.
	Container *Container
	// Display, unless it is nil, gives the command a terminal of its own in the
	// place of the user's, and gets what is to be seen there. Stdin must be a
	// terminal; otherwise it is as if it were nil.
	Display Display
}

// Display shows on the user's terminal what a command writes to one of its own.
// It may keep rows for itself.
type Display interface {
	io.Writer
	// Rows says how many of a terminal's rows are the command's.
	Rows(rows, columns int) int
	// Enter takes the terminal over, which has so many rows and columns. It is called
	// again when the size has changed, and after Leave.
	Enter(rows, columns int)
	// Leave gives the terminal back as it was.
	Leave()
}

// Tree is a directory of which the sandbox gets a private, writable copy with
// Files in place. The host's stays as it is.
type Tree struct {
	Path  string // must exist
	Files []File
	// Empty leaves out what the host has there: Files are all. What the command
	// does in it is its own affair (State.Changed).
	Empty bool
}

// Early gives the Trees and Daemons of a sandbox that does without a part, or of a
// whole one, while that is being made. Those of Config, which are left out then,
// are placed after it, when all waits for them. It is called for each sandbox that is
// tried, but not for one without Mounts. An error of its own ends the trying.
type Early func(without Part) (trees []Tree, daemons []string, err error)

// File is a file or a symbolic link in a Tree.
type File struct {
	Name string // relative to the tree, with slashes
	Data []byte
	Link string // target; "" makes a regular file of Data
	Mode fs.FileMode
}

// State is how the command ended.
type State struct {
	Code   int            // exit status, when Signal is 0
	Signal syscall.Signal // that ended it
	// Changed lists the Trees in which the command changed something. The
	// changes are gone with the sandbox.
	Changed []string
	// Sudo is set when the command called sudo, which has no power there.
	Sudo bool
	// Daemons are those of Config.Daemons that the command has connected to.
	Daemons []string
	// Missed are loopback ports at which the command found nobody, and that are
	// open on the host. Network.HostPorts are not among them.
	Missed []uint16
}

// Rung is a way to make a sandbox. Each of the ladder needs less of the system
// than the one above it.
type Rung string

// The rungs. The words are part of the report's format.
const (
	// ByRoot is root's: the command keeps all that root may do.
	ByRoot Rung = "root"
	// BySudo is root's, for the user who asked for it: see User.
	BySudo Rung = "sudo"
	// ByUser is anyone's: a user namespace, in which one may make the others. sudo
	// has no power in it.
	ByUser Rung = "user"
	// ByEngine is a container: see Adopt.
	ByEngine Rung = "podman"
	// ByGuard has no namespaces either, but keeps the command from the ports below
	// 1024, so that a program that heeds no variable fails. sudo has no power in it.
	ByGuard Rung = "guard"
	// ByVariables has no namespaces: see NewEnv.
	ByVariables Rung = "env"
)

// Part is one that a sandbox can do without.
type Part string

// The parts.
const (
	// Redirect leads every port to the listeners. Without it 80 and 443 do, and
	// those of Network.Redirect; nothing else leads anywhere.
	Redirect Part = "redirect"
	// Processes is a pid namespace, with a /proc of its own. Without it the command
	// sees the machine's processes, and what it leaves is ended one by one.
	Processes Part = "processes"
	// Mounts is a mount namespace. Without it nothing is placed of Config.Trees,
	// and there are no Processes either.
	Mounts Part = "mounts"
	// Privileges are what makes sudo work for the command of a User.
	Privileges Part = "privileges"
)

// Lack is a part that a sandbox does without, and the system's reason.
type Lack struct {
	Part Part
	Why  *StepError
}

// Trial is how it went to make a sandbox on one rung.
type Trial struct {
	Rung    Rung
	Lacks   []Lack
	Refused *StepError // nil when it was made
	Took    time.Duration
}

// User is whom the command belongs to in a sandbox that root makes for somebody
// else, as one who calls sudo wants it.
type User struct {
	UID, GID int
	Groups   []int // the supplementary ones
}

// StepError tells which step of making the sandbox the system refused.
type StepError struct {
	Step string // what cachex was doing, such as "create the user namespace"
	Part Part   // that could not be had; "" when it is more than one
	Err  error
	Hint string // what the user can do; may be empty
}

func (e *StepError) Error() string { return fmt.Sprintf("sandbox: %s: %v", e.Step, e.Err) }
func (e *StepError) Unwrap() error { return e.Err }

// ExecError tells that the command itself could not be executed.
type ExecError struct{ Errno syscall.Errno }

func (e *ExecError) Error() string { return e.Errno.Error() }
func (e *ExecError) Unwrap() error { return e.Errno }
