package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// An ordinary user's containers have files of more ids than the user's own: the
// subordinate ones (subuid(5)), which newuidmap(1) and newgidmap(1) may map. In a
// user namespace of the user's id alone there are none, and neither program has
// the power to map any, as root's id is not there. So those two map the ids into
// the sandbox's namespace as well, each to itself, and something else stands in
// their places that asks the sandbox's first process, which may hand them on.

// idRange is a line of subuid(5).
type idRange struct{ first, count int }

// mappers are the programs that map subordinate ids.
var mappers = [2]mapper{
	{program: "newuidmap", file: "/etc/subuid", kind: "uid"},
	{program: "newgidmap", file: "/etc/subgid", kind: "gid"},
}

type mapper struct{ program, file, kind string }

// subordinates are the ranges of this user, for uids and gids; ok is false when
// there are none of either, or no program to map them.
func subordinates() (ranges [2][]idRange, ok bool) {
	for i, m := range mappers {
		if _, err := exec.LookPath(m.program); err != nil {
			return ranges, false
		}
		b, err := os.ReadFile(m.file)
		if err != nil {
			return ranges, false
		}
		if ranges[i] = rangesOf(string(b), userNames()); len(ranges[i]) == 0 {
			return ranges, false
		}
	}
	return ranges, true
}

// userNames are the user's id and name, either of which subuid(5) may have.
func userNames() []string {
	id := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(id); err == nil {
		return []string{id, u.Username}
	}
	return []string{id}
}

// rangesOf are those that a file gives to a user, of either name.
func rangesOf(file string, names []string) []idRange {
	var found []idRange
	for line := range strings.Lines(file) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] != names[0] && f[0] != names[len(names)-1] {
			continue
		}
		first, err := strconv.ParseUint(f[1], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if errors.Join(err, err2) == nil && count > 0 {
			found = append(found, idRange{int(first), int(count)})
		}
	}
	return found
}

// mapSubordinates maps a process's user namespace, which has no map yet: the own
// ids and the subordinate ones, each to itself. Both programs run at once: they
// take 1.5 ms each.
func mapSubordinates(pid int, ranges [2][]idRange) error {
	own := [2]int{os.Geteuid(), os.Getegid()}
	var errs [2]error
	var both sync.WaitGroup
	for i, m := range mappers {
		args := []string{strconv.Itoa(pid)}
		for _, r := range append([]idRange{{own[i], 1}}, ranges[i]...) {
			first := strconv.Itoa(r.first)
			args = append(args, first, first, strconv.Itoa(r.count))
		}
		both.Go(func() {
			if out, err := exec.Command(m.program, args...).CombinedOutput(); err != nil {
				errs[i] = fmt.Errorf("%s: %w: %s", m.program, err, strings.TrimSpace(string(out)))
			}
		})
	}
	both.Wait()
	return errors.Join(errs[:]...)
}

// mapperPlaces are the paths of both, and this program's, which stands in for
// them; "" when it is nowhere any more.
func mapperPlaces() (exe string, places []string) {
	exe, err := os.Executable()
	if _, gone := os.Stat(exe); err != nil || gone != nil {
		return "", nil
	}
	for _, m := range mappers {
		if path, err := exec.LookPath(m.program); err == nil {
			places = append(places, path)
		}
	}
	return exe, places
}

// mapSocket is where the stand-ins ask: an abstract name, of which each network
// namespace has its own (unix(7)).
const mapSocket = "@cachex-idmap"

// mapQuestion is that of a stand-in: newuidmap's command line, and its kind.
type mapQuestion struct {
	Kind string
	Args []string
}

// placeMappers puts this program in the places of newuidmap and newgidmap, and
// answers what it asks there until the process ends.
func (m *mounts) placeMappers(exe string, places []string) error {
	l, err := net.Listen("unix", mapSocket)
	if err != nil {
		return err
	}
	for _, path := range places {
		if err := m.coverWith(exe, path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerMapper(c)
		}
	}()
	return nil
}

// answerMapper maps ids for a process of the sandbox. The kernel sees to it that
// they are ids of the sandbox, and that the process's namespace was made in it
// (user_namespaces(7)); all who can ask are the user's.
func answerMapper(c net.Conn) {
	defer c.Close()
	var q mapQuestion
	answer := ""
	if err := json.NewDecoder(io.LimitReader(c, 1<<20)).Decode(&q); err != nil {
		answer = err.Error()
	} else if err := q.write(); err != nil {
		answer = err.Error()
	}
	fmt.Fprintln(c, answer) // fails when it has ended
}

// write writes the map, PID INSIDE OUTSIDE COUNT ... .
func (q mapQuestion) write() error {
	if q.Kind != "uid" && q.Kind != "gid" || len(q.Args) < 4 || len(q.Args)%3 != 1 {
		return errors.New("usage: PID INSIDE OUTSIDE COUNT [INSIDE OUTSIDE COUNT] ...")
	}
	for _, a := range q.Args {
		if _, err := strconv.ParseUint(a, 10, 32); err != nil {
			return fmt.Errorf("%q is no number", a)
		}
	}
	var lines strings.Builder
	for i := 1; i < len(q.Args); i += 3 {
		fmt.Fprintln(&lines, strings.Join(q.Args[i:i+3], " "))
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/%s/%s_map", q.Args[0], q.Kind), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(lines.String()) // the kernel takes one write
	return err
}

// mapMain is what runs in the place of newuidmap or newgidmap, if this process
// does; it does not return then.
func mapMain() {
	name := filepath.Base(os.Args[0])
	for _, m := range mappers {
		if name != m.program {
			continue
		}
		if err := askMapper(mapQuestion{m.kind, os.Args[1:]}); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

func askMapper(q mapQuestion) error {
	c, err := net.Dial("unix", mapSocket)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			err = errors.New("another network namespace than the sandbox's cannot map its ids")
		}
		return err
	}
	defer c.Close()
	if err := json.NewEncoder(c).Encode(q); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the sandbox's first process: %w", err)
	}
	if answer = strings.TrimSpace(answer); answer != "" {
		return errors.New(answer)
	}
	return nil
}
