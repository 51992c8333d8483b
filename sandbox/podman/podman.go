// Package podman runs a command in a container that can reach the network only
// through listeners that are handed out, as package sandbox does without one.
//
// Podman makes the container, with no network, and starts cachex itself in it as
// the first process; from there on it is a sandbox like any other
// (sandbox.Adopt). That works the same for root, for an ordinary user and for a
// service that somebody else has started, and needs no way into the namespaces
// from outside, which for an ordinary user's container leads through a user
// namespace that a program with several threads cannot join (setns(2)). The
// streams, the listeners and all that is said go over one socket, which is bound
// into the container, so that the engine carries nothing of them.
//
// The program and the socket are on the tmpfs of /dev while the command is being
// prepared. What was added to the trust stores is on mounts of the container's
// own. So nothing of either is in a layer of it: podman diff and podman commit
// show nothing.
//
// Only the root of podman's bindings is used, which needs no build tags; the few
// structs of its API that are used here are in api.go.
package podman

import "fmt"

// Config describes a container.
type Config struct {
	// Image is a name or an id of an image that is there (Service.Image).
	Image Image
	// User is who the command is, as in sandbox.Container. With a service of an
	// ordinary user, that is the user outside as well.
	User string
	// Mounts are directories and files of this machine, or volumes.
	Mounts []Mount
	// Env is set on top of the image's variables.
	Env map[string]string
	// Hostname is the container's, "" for one that podman makes up.
	Hostname string
	// ReadOnly makes the container's own files read-only.
	ReadOnly bool
}

// Image is one that podman has.
type Image struct {
	ID           string
	Architecture string // as Go names it
	User         string // that the image wants
}

// Pull policies, of podman.
const (
	PullMissing = "missing"
	PullAlways  = "always"
	PullNewer   = "newer"
	PullNever   = "never"
)

// Mount is one of Config.Mounts.
type Mount struct {
	Source  string // an absolute path, or the name of a volume
	Target  string // an absolute path
	Options []string
}

// Error tells what podman could not do.
type Error struct {
	Step string // what was being done, such as "start the container"
	Err  error
	Hint string // what the user can do; may be empty
}

func (e *Error) Error() string { return fmt.Sprintf("podman: %s: %v", e.Step, e.Err) }
func (e *Error) Unwrap() error { return e.Err }
