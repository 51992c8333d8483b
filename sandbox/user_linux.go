package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// person is a user of a container. The container's files say who that is: the
// C library's other sources are not there, and those of the host are wrong.
type person struct {
	name, home string
	uid, gid   uint32
	groups     []uint32
}

// lookUser finds NAME[:GROUP], either of which may be a number. A number that no
// file names is a user without a home, of group 0, as container engines have it.
func lookUser(root, spec string) (person, error) {
	user, group, grouped := strings.Cut(spec, ":")
	if user == "" {
		user = "0"
	}
	who := person{home: "/"}
	n, err := strconv.ParseUint(user, 10, 31)
	numeric := err == nil
	who.uid = uint32(n)
	found, err := entry(filepath.Join(root, "etc/passwd"), 7, func(f []string) bool {
		return f[0] == user || numeric && f[2] == user
	})
	if err != nil {
		return who, err
	}
	if found == nil && !numeric {
		return who, fmt.Errorf("there is no %q in the container's /etc/passwd", user)
	}
	if found != nil {
		uid, err := strconv.ParseUint(found[2], 10, 31)
		gid, err2 := strconv.ParseUint(found[3], 10, 31)
		if err := errors.Join(err, err2); err != nil {
			return who, fmt.Errorf("/etc/passwd: %w", err)
		}
		who.name, who.uid, who.gid = found[0], uint32(uid), uint32(gid)
		if found[5] != "" {
			who.home = found[5]
		}
	}
	if grouped {
		who.gid, err = lookGroup(root, group)
		return who, err
	}
	who.groups, err = groupsOf(root, who.name)
	return who, err
}

// UserIDs are the numbers of a Container's User, by the etc/passwd and etc/group
// below root.
func UserIDs(root, spec string) (uid, gid uint32, err error) {
	who, err := lookUser(root, spec)
	return who.uid, who.gid, err
}

func lookGroup(root, group string) (uint32, error) {
	if n, err := strconv.ParseUint(group, 10, 31); err == nil {
		return uint32(n), nil
	}
	found, err := entry(filepath.Join(root, "etc/group"), 4, func(f []string) bool { return f[0] == group })
	if err == nil && found == nil {
		err = fmt.Errorf("there is no %q in the container's /etc/group", group)
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(found[2], 10, 31)
	return uint32(n), err
}

// groupsOf are the groups that list a user.
func groupsOf(root, name string) ([]uint32, error) {
	var groups []uint32
	if name == "" {
		return nil, nil
	}
	_, err := entry(filepath.Join(root, "etc/group"), 4, func(f []string) bool {
		if n, err := strconv.ParseUint(f[2], 10, 31); err == nil && slices.Contains(strings.Split(f[3], ","), name) {
			groups = append(groups, uint32(n))
		}
		return false
	})
	return groups, err
}

// entry is the first line of a file such as passwd(5) that fits; nil is none.
func entry(path string, fields int, fits func([]string) bool) ([]string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(b) {
		f := strings.Split(string(bytes.TrimRight(line, "\r\n")), ":")
		if len(f) >= fields && fits(f) {
			return f, nil
		}
	}
	return nil, nil
}

// environment is a container's with this user's home, unless the image names one.
// The engine gives that of root, which the container's first process is.
func (i person) environment(env []string) []string {
	root, err := lookUser("/", "0")
	if err != nil {
		root.home = "/root"
	}
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return kv == "HOME="+root.home })
	return slices.Concat([]string{"HOME=" + i.home}, env)
}

// lastOfEach keeps of a list of NAME=VALUE the last entry of each name. Libraries
// differ in which of two they take.
func lastOfEach(env []string) []string {
	at := map[string]int{}
	for i, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		at[name] = i
	}
	var out []string
	for i, kv := range env {
		if name, _, _ := strings.Cut(kv, "="); at[name] == i {
			out = append(out, kv)
		}
	}
	return out
}

func (i person) credential() *syscall.Credential {
	c := &syscall.Credential{Uid: i.uid, Gid: i.gid, Groups: i.groups}
	// user_namespaces(7): where one id alone is mapped, groups stay as they are.
	b, err := os.ReadFile("/proc/self/setgroups")
	c.NoSetGroups = err == nil && string(bytes.TrimSpace(b)) == "deny"
	return c
}
