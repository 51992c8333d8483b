package main

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"cachex/sandbox"
)

// sudo cachex run: root makes the sandbox, and the command belongs to the user who
// called sudo, as it would have without it.

// invoker is who called sudo; nil when nobody did. This process takes over that
// user's environment and umask; its ids change when the sandbox is made.
func invoker() (*sandbox.User, error) {
	id := os.Getenv("SUDO_UID")
	if os.Geteuid() != 0 || id == "" || !bySudo() {
		return nil, nil
	}
	who, err := user.LookupId(id)
	if err != nil {
		return nil, unknownInvoker("SUDO_UID", id)
	}
	u := &sandbox.User{}
	if u.UID, err = strconv.Atoi(who.Uid); err != nil || u.UID < 0 {
		return nil, unknownInvoker("SUDO_UID", id)
	}
	if u.UID == 0 {
		return nil, nil
	}
	gid := os.Getenv("SUDO_GID")
	if gid == "" {
		gid = who.Gid
	}
	if u.GID, err = strconv.Atoi(gid); err != nil || u.GID < 0 {
		return nil, unknownInvoker("SUDO_GID", gid)
	}
	u.Groups = groupsOf(who, u.GID)
	setUmask(callersUmask())
	return u, asUser(who)
}

func unknownInvoker(name, value string) error {
	return &exitError{fmt.Errorf("sudo: nobody here has the id of %s=%q", name, value), exitInternal,
		"call sudo as a user of this system; without that variable (sudo env -u SUDO_UID cachex run …) the command is root's"}
}

func groupsOf(who *user.User, gid int) []int {
	groups := []int{gid}
	ids, err := who.GroupIds()
	if err != nil {
		return groups // those that are known
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil && n != gid {
			groups = append(groups, n)
		}
	}
	return groups
}

// asUser gives the environment back what sudo changed in it.
func asUser(who *user.User) error {
	set := map[string]string{"HOME": who.HomeDir, "USER": who.Username, "LOGNAME": who.Username, "SHELL": shellOf(who.Uid)}
	runtime := filepath.Join("/run/user", who.Uid)
	if _, err := os.Stat(runtime); err == nil {
		set["XDG_RUNTIME_DIR"] = runtime
	}
	var errs error
	for name, v := range set {
		if v != "" {
			errs = errors.Join(errs, os.Setenv(name, v))
		}
	}
	for _, name := range []string{"SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND", "SUDO_HOME", "SUDO_TTY", "MAIL"} {
		errs = errors.Join(errs, os.Unsetenv(name))
	}
	return errs
}

// shellOf is the last field of passwd(5).
func shellOf(uid string) string {
	b, _ := os.ReadFile("/etc/passwd") // of a user who is not in it, what sudo says
	for line := range strings.Lines(string(b)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) == 7 && f[2] == uid {
			return f[6]
		}
	}
	return ""
}

// bySudo tells whether it was sudo that started this program: a shell or script
// that sudo started has its variables too, and what it runs is root's. A sudo that
// has nothing to do at the end becomes its command, and is not there any more.
func bySudo() bool {
	parent := true
	for status := range ancestors() {
		if string(field(status, "Name")) == "sudo" {
			return parent
		}
		parent = false
	}
	return true
}

// callersUmask is that of the process that called sudo, which adds its own; -1
// when it cannot be told.
func callersUmask() int {
	for status := range ancestors() {
		if string(field(status, "Name")) == "sudo" { // it may be two processes
			continue
		}
		mask, err := strconv.ParseInt(string(field(status, "Umask")), 8, 32)
		if err != nil {
			return -1
		}
		return int(mask)
	}
	return -1
}

// ancestors are the processes above this one, the parent first, as /proc/PID/status
// tells of them.
func ancestors() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for pid := os.Getppid(); pid > 0; {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err != nil || !yield(status) {
				return
			}
			if pid, err = strconv.Atoi(string(field(status, "PPid"))); err != nil {
				return
			}
		}
	}
}

// field is one of /proc/PID/status (proc(5)).
func field(status []byte, name string) []byte {
	for line := range bytes.Lines(status) {
		if v, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			return bytes.TrimSpace(v)
		}
	}
	return nil
}
