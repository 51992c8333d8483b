package sandbox

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"time"
)

// The ladder: with each identity that this process can have (identity_linux.go) a
// whole sandbox is tried first, then one without the parts that are refused most.
// A rung is tried by making it: 0.3 ms where the system refuses the namespaces,
// some 5 ms where it refuses what is done in them.

// wholes are the namespaces of a sandbox, without a part.
var wholes = []struct {
	without Part
	flags   uintptr
}{
	{"", syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID},
	{Processes, syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNS},
	{Mounts, syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS},
}

// New makes the namespaces and the network in them, on the best rung that the
// system allows. With a user, who is nil otherwise, the command is the user's, and
// so is this process from now on. The context bounds the making; a cancelled one
// ends the sandbox later as well. early may be nil. Errors are *StepError, that of
// the rung above all others, as it tells best what to change, and those of early.
func New(ctx context.Context, n Network, user *User, early Early) (*Sandbox, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	w := wanted{n, early}
	if user == nil {
		return climb(ctx, w, identities())
	}
	s, refused := climb(ctx, w, []identity{invoker(*user)})
	if err := user.Become(); err != nil {
		if s != nil {
			s.Close()
		}
		return nil, err
	}
	if refused == nil {
		return s, nil
	}
	s, err := climb(ctx, w, identities())
	if err != nil {
		return nil, err
	}
	var step *StepError
	errors.As(refused, &step)
	s.lacks = append(s.lacks, Lack{Privileges, step})
	return s, nil
}

// wanted is what a sandbox is to have.
type wanted struct {
	network Network
	early   Early // nil for none
}

// climb tries what can be made with each of some identities.
func climb(ctx context.Context, w wanted, with []identity) (*Sandbox, error) {
	refused := make([]*StepError, len(with))
	for _, whole := range wholes {
		for i, id := range with {
			if refused[i] != nil && !helps(whole.without, refused[i]) {
				continue
			}
			s, err := try(ctx, w, id, whole.without, whole.flags)
			if err == nil {
				if whole.without != "" {
					s.lacks = append(s.lacks, Lack{whole.without, refused[i]})
				}
				return s, nil
			}
			if !errors.As(err, &refused[i]) || ctx.Err() != nil {
				return nil, err
			}
		}
	}
	return nil, mostTelling(refused)
}

// helps tells whether a sandbox without a part may be had where another one was
// refused: of namespaces the system doesn't say which one it refuses.
func helps(without Part, refused *StepError) bool {
	switch refused.Part {
	case "":
		return refused.Step == createNamespaces
	case Mounts:
		return without == Mounts
	}
	return true
}

// mostTelling is the error to show when all identities were refused: a root that
// lacks privileges needs a user namespace, as anyone does.
func mostTelling(refused []*StepError) error {
	e := refused[len(refused)-1]
	if e.Hint == "" && (errors.Is(e, syscall.EPERM) || errors.Is(e, syscall.EACCES)) {
		e.Hint = whyForbidden()
	}
	return e
}

func try(ctx context.Context, w wanted, id identity, without Part, flags uintptr) (*Sandbox, error) {
	s := &Sandbox{ended: make(chan struct{}), terminal: foreground(), rung: id.rung, shared: without != ""}
	id.attr.Cloneflags |= flags
	if id.mirror {
		id.attr.UidMappings, id.attr.GidMappings = mirrored("/proc/self/uid_map"), mirrored("/proc/self/gid_map")
		if len(id.attr.UidMappings) == 0 || len(id.attr.GidMappings) == 0 {
			return nil, refusedNamespaces(syscall.EPERM) // there are no ids to be had
		}
	}
	if !s.shared {
		id.attr.Pdeathsig = syscall.SIGKILL
	}
	init, err := s.spawn(initName, &id.attr)
	if err != nil {
		return nil, err
	}
	if len(w.network.HostPorts) > 0 {
		s.hostPorts = &hostPorts{network: w.network, link: s.link}
	}
	s.await(ctx, init)
	how := setupOf(w.network, without)
	how.Rootless = id.rung == ByUser && os.Geteuid() != 0
	how.Early = w.early != nil && without != Mounts
	err = s.begin(id, how, w.early)
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// begin tells the first process how the sandbox is to be made, and waits for it.
func (s *Sandbox) begin(id identity, how *setup, early Early) error {
	told := make(chan error, 1)
	if id.subordinate == nil {
		told <- s.tell(id, how)
	} else {
		go func() { told <- s.tell(id, how) }() // two programs run, for 3 ms
	}
	var trees []Tree
	var daemons []string
	var late error
	if how.Early {
		trees, daemons, late = early(how.Without)
	}
	if err := <-told; err != nil {
		return err
	}
	if late != nil {
		return late
	}
	if how.Early {
		if err := s.sendEarly(trees, daemons); err != nil {
			return err
		}
	}
	return s.awaitReady()
}

// tell maps the ids, where they are not yet, and says how the sandbox is to be made.
func (s *Sandbox) tell(id identity, how *setup) error {
	if id.subordinate != nil {
		if err := mapSubordinates(s.pid, *id.subordinate); err != nil {
			return &StepError{Step: "map the subordinate ids", Err: err}
		}
		how.Program, how.Mappers = mapperPlaces()
	}
	if err := s.link.send(toInit{Setup: how}); err != nil {
		return &StepError{Step: "start the sandbox's first process", Err: err}
	}
	return nil
}

func (s *Sandbox) sendEarly(trees []Tree, daemons []string) error {
	files, data, err := newPrivate(trees, daemons)
	if err != nil {
		return &StepError{Step: "hand the private files over", Err: err}
	}
	defer data.Close()
	err = s.link.send(toInit{Place: &files}, int(data.Fd()))
	if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) { // it has said why
		return &StepError{Step: "hand the private files over", Err: err}
	}
	return nil
}

func setupOf(n Network, without Part) *setup {
	return &setup{
		HostNet: namespaceOf("net"), HostMount: namespaceOf("mnt"),
		Kept: boundingSet(), HostPorts: len(n.HostPorts) > 0, Redirect: n.Redirect, Without: without,
	}
}

// createNamespaces is the step of the clone(2) that makes them.
const createNamespaces = "create the namespaces"

func refusedNamespaces(err error) error {
	e := &StepError{Step: createNamespaces, Err: err}
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		e.Hint = whyForbidden()
	case errors.Is(err, syscall.ENOSPC):
		e.Hint = "raise the limits: sysctl user.max_user_namespaces user.max_net_namespaces user.max_mnt_namespaces user.max_pid_namespaces"
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS):
		e.Hint = "the kernel was built without user, network or pid namespaces"
	}
	var path *os.PathError
	if errors.As(err, &path) {
		e.Err = path.Err
	}
	return e
}

// whyForbidden looks for what usually forbids namespaces, and says what helps.
func whyForbidden() string {
	switch {
	case setting("kernel/unprivileged_userns_clone") == "0":
		return "sysctl kernel.unprivileged_userns_clone=1 allows user namespaces"
	case Restricted():
		return "this system's AppArmor keeps user namespaces for programs that it knows: cachex doctor --apparmor has a profile"
	case filtered():
		return "a seccomp filter, such as a container's, forbids it: run the container with --security-opt seccomp=unconfined or --privileged"
	case chrooted():
		return "in a chroot there are no user namespaces: run cachex outside of it, around the chroot"
	}
	return "see sysctl kernel.unprivileged_userns_clone and user.max_user_namespaces, or use sudo cachex run"
}

// Restricted tells whether AppArmor keeps user namespaces from programs that it
// has no profile of, as Ubuntu's does from 23.10 on.
func Restricted() bool {
	return setting("kernel/apparmor_restrict_unprivileged_userns") == "1"
}

// setting reads a sysctl; "" is none.
func setting(name string) string {
	b, _ := os.ReadFile("/proc/sys/" + name)
	return strings.TrimSpace(string(b))
}

// filtered tells whether system calls of this process are filtered (proc(5),
// status).
func filtered() bool {
	b, _ := os.ReadFile("/proc/self/status")
	return strings.Contains(string(b), "\nSeccomp:\t2\n")
}

// chrooted tells whether the root directory is no mount's: then it is another
// one than the kernel compares with (user_namespaces(7), EPERM).
func chrooted() bool {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" {
			return false
		}
	}
	return true
}

// Ladder tries each rung of the ladder, as New and NewEnv do, and ends what it has
// made at once. The best is the first. With a user, as of sudo, root's rungs are
// tried for the user.
func Ladder(ctx context.Context, user *User) []Trial {
	var rungs [][]identity
	if user != nil {
		rungs = append(rungs, []identity{invoker(*user)})
	}
	for _, id := range identities() {
		if n := len(rungs); n > 0 && rungs[n-1][0].rung == id.rung {
			rungs[n-1] = append(rungs[n-1], id) // root has two for user namespaces
			continue
		}
		rungs = append(rungs, []identity{id})
	}
	var trials []Trial
	for _, with := range rungs {
		trials = append(trials, attempt(with[0].rung, func() (*Sandbox, error) { return climb(ctx, wanted{}, with) }))
	}
	guarded := attempt(ByGuard, func() (*Sandbox, error) { return NewEnv(ctx, nil, true) })
	if guarded.Refused == nil && guardVersion() < guardNet {
		guarded.Refused = &StepError{Step: "look for Landlock's rules of TCP", Err: syscall.ENOSYS,
			Hint: "it takes Linux 6.7, and landlock among the security modules (lsm=) that the kernel is booted with"}
	}
	return append(trials, guarded, attempt(ByVariables, func() (*Sandbox, error) { return NewEnv(ctx, nil, false) }))
}

func attempt(rung Rung, make func() (*Sandbox, error)) Trial {
	began := time.Now()
	s, err := make()
	t := Trial{Rung: rung, Took: time.Since(began)}
	if err != nil {
		if !errors.As(err, &t.Refused) {
			t.Refused = &StepError{Step: "make the sandbox", Err: err}
		}
		return t
	}
	t.Lacks = s.Lacks()
	s.Close()
	return t
}
