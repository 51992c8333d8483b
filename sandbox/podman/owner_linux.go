package podman

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A container goes with cachex, except that one which was made and never started,
// because cachex was killed just then, ends with nothing. Its label tells whose it
// was: an own service's shell removes it (socketScript), and a later run does
// what no shell has done, as with a directory whose shell was not there yet.

const ownerLabel = "cachex.run"

// owner names this process for good: its number comes again, but not with the
// same start (proc(5), stat, field 22). Numbers are those of a pid namespace.
func owner() string {
	return fmt.Sprintf("%s-%d-%s", pidNamespace(), os.Getpid(), startOf(os.Getpid()))
}

// short is one of owner's numbers in fewer letters, as it is part of the path of a
// socket, which has 107 bytes at most (unix(7)).
func short(number string) string {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(n, 36)
}

// pidNamespace is the number of this process's, "" when it cannot be told.
func pidNamespace() string {
	ns, _ := os.Readlink("/proc/self/ns/pid") // "pid:[NUMBER]"
	return short(strings.TrimSuffix(strings.TrimPrefix(ns, "pid:["), "]"))
}

// startOf is when a process started, in clock ticks since boot; "" when it is gone.
func startOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := bytes.Cut(b, []byte(") ")) // from the third field on
	if f := strings.Fields(string(rest)); len(f) > 19 {
		return short(f[19])
	}
	return ""
}

// ownerIsGone tells it of what owner gave. What is not known is not gone.
func ownerIsGone(value string) bool {
	f := strings.Split(value, "-")
	if len(f) != 3 || f[0] == "" || f[0] != pidNamespace() {
		return false
	}
	pid, err := strconv.Atoi(f[1])
	return err == nil && startOf(pid) != f[2]
}

// sweep removes containers of runs that are gone.
func (s *Service) sweep(ctx context.Context) {
	filters, err := json.Marshal(map[string][]string{"label": {ownerLabel}})
	if err != nil {
		return
	}
	var all []listed
	if s.call(ctx, "GET", "/containers/json", url.Values{"all": {"true"}, "filters": {string(filters)}}, nil, &all) != nil {
		return // another run will
	}
	for _, c := range all {
		if ownerIsGone(c.Labels[ownerLabel]) {
			_ = s.call(ctx, "DELETE", "/containers/%s", url.Values{"force": {"true"}, "v": {"true"}}, nil, nil, c.ID)
		}
	}
}

const dirPrefix = "cachex-podman-"

// NewDir makes a directory for Start, or for the socket of a container. Errors are
// *Error.
func NewDir() (string, error) {
	old, _ := filepath.Glob(filepath.Join(globEscaped(os.TempDir()), dirPrefix+"*")) // well-formed
	for _, dir := range old {
		name := strings.TrimPrefix(filepath.Base(dir), dirPrefix)
		if i := strings.LastIndexByte(name, '-'); i > 0 && ownerIsGone(name[:i]) {
			_ = os.RemoveAll(dir) // it may be another user's
		}
	}
	dir, err := os.MkdirTemp("", dirPrefix+owner()+"-")
	if err != nil {
		return "", &Error{Step: "make a directory for the socket", Err: err, Hint: "set TMPDIR to a directory that can be written to"}
	}
	return dir, nil
}
