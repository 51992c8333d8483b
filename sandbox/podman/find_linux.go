package podman

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// findService is where podman's clients look for a service: CONTAINER_HOST, the
// connection that CONTAINER_CONNECTION names, the default connection if it is one
// of this machine, or the default of the user. named tells that somebody has named it.
func findService(getenv func(string) string) (at string, named bool, err error) {
	if at := getenv("CONTAINER_HOST"); at != "" {
		return at, true, nil
	}
	conf, _ := ReadConf(getenv) // podman says what is wrong with it
	if name := getenv("CONTAINER_CONNECTION"); name != "" {
		at, ok := conf.destination(name, getenv)
		if !ok {
			return "", true, &Error{Step: "find podman", Err: fmt.Errorf("CONTAINER_CONNECTION: there is no connection %q", name),
				Hint: "podman system connection list shows those there are"}
		}
		return at, true, nil
	}
	if at, ok := conf.destination("", getenv); ok && strings.HasPrefix(at, unixScheme) {
		return at, true, nil
	}
	if os.Geteuid() == 0 {
		return unixScheme + "/run/podman/podman.sock", false, nil
	}
	dir := getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join("/run/user", strconv.Itoa(os.Geteuid()))
	}
	return unixScheme + filepath.Join(dir, "podman/podman.sock"), false, nil
}

const unixScheme = "unix://"

// connectError says what to do about a service that cannot be reached.
func connectError(at string, named bool, err error) error {
	e := &Error{Step: "connect to " + at, Err: err}
	switch {
	case errors.Is(err, errElsewhere):
		e.Hint = "the container must be on this machine: name a socket, CONTAINER_HOST=unix:///PATH, or unset that or CONTAINER_CONNECTION"
	case strings.Contains(err.Error(), "too old"):
		e.Hint = "podman must be of version 4 at least"
	case errors.Is(err, syscall.EACCES):
		e.Err = syscall.EACCES
		e.Hint = "the socket is another user's: unset CONTAINER_HOST to use podman without root"
	case isAbsent(err):
		e.Err = syscall.ECONNREFUSED
		e.Hint = "start the service there (podman system service --time=0 " + at + "), or unset CONTAINER_HOST"
	}
	if e.Hint == "" {
		e.Hint = fmt.Sprintf("something other than podman answers at %s", at)
	}
	return e
}
