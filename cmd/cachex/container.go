package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"cachex/ca"
	"cachex/sandbox"
	"cachex/sandbox/podman"
)

// --image: the command runs in a container.

// containerOptions are the flags that only a container has.
type containerOptions struct {
	image   string
	volumes []string
	workdir string
	env     []string
	user    string
	pull    string
	sealed  bool

	mounts    []podman.Mount
	variables map[string]string
}

func (c *containerOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&c.image, "image", "", "run in a container of `IMAGE` (implies --sandbox=container)")
	f.StringArrayVarP(&c.volumes, "volume", "v", nil, "mount `SRC:DST[:ro]` in the container (repeatable)")
	f.StringVarP(&c.workdir, "workdir", "w", "", "working `DIR` in the container (default: this one)")
	f.StringArrayVarP(&c.env, "env", "e", nil, "set `NAME[=VALUE]` in the container (repeatable)")
	f.StringVar(&c.user, "user", "", "`USER[:GROUP]` in the container (default: the image's)")
	f.BoolVar(&c.sealed, "read-only", false, "make the container's own files read-only")
	f.StringVar(&c.pull, "pull", podman.PullMissing, "pull the image: always, missing, newer or never (`WHEN`)")
}

// set names a flag that was given although there is no container.
func (c *containerOptions) set() string {
	switch {
	case len(c.volumes) > 0:
		return "-v"
	case c.workdir != "":
		return "-w"
	case len(c.env) > 0:
		return "-e"
	case c.user != "":
		return "--user"
	case c.sealed:
		return "--read-only"
	}
	return ""
}

// checkContainer reads the container's flags. An image means a container.
func (o *runOptions) checkContainer() error {
	c := &o.container
	switch {
	case c.image == "" && o.sandbox == sandboxContainer:
		return &hintedError{errors.New("--sandbox=container needs an image"), "name one: --image IMAGE"}
	case c.image == "" && c.set() != "":
		return &hintedError{fmt.Errorf("%s is for a container", c.set()), "name an image: --image IMAGE"}
	case c.image == "":
		return nil
	case o.sandbox != sandboxAuto && o.sandbox != sandboxContainer:
		return &hintedError{fmt.Errorf("--image needs --sandbox=container, not %s", o.sandbox), "leave --sandbox out"}
	}
	o.sandbox = sandboxContainer
	switch c.pull {
	case podman.PullAlways, podman.PullMissing, podman.PullNewer, podman.PullNever:
	default:
		return unknownWord(fmt.Errorf("unknown --pull %q: it is always, missing, newer or never", c.pull), c.pull,
			[]string{podman.PullAlways, podman.PullMissing, podman.PullNewer, podman.PullNever}, "--pull %s")
	}
	for _, v := range c.volumes {
		m, err := parseVolume(v)
		if err != nil {
			return fmt.Errorf("-v %s: %w", v, err)
		}
		c.mounts = append(c.mounts, m)
	}
	c.variables = map[string]string{}
	for _, e := range c.env {
		name, value, ok := strings.Cut(e, "=")
		if name == "" {
			return fmt.Errorf("-e %s: it is NAME=VALUE, or NAME for the one of this environment", e)
		}
		if !ok {
			if value, ok = os.LookupEnv(name); !ok {
				continue // as podman does
			}
		}
		c.variables[name] = value
	}
	return c.checkDirectory()
}

// checkDirectory takes the working directory into the container, at the same
// path, unless a mount or -w says otherwise.
func (c *containerOptions) checkDirectory() error {
	cwd, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("the working directory: %w", err)
	}
	if c.workdir != "" && !path.IsAbs(c.workdir) {
		return fmt.Errorf("-w %s: it is a path in the container, which begins with /", c.workdir)
	}
	if cwd == "/" {
		if c.workdir == "" {
			return &hintedError{errors.New("this directory is /, which cannot be the container's as well"),
				"change to the project's directory, or name the container's with -w DIR"}
		}
		return nil
	}
	for _, m := range c.mounts {
		if m.Target == cwd {
			cwd = ""
			break
		}
	}
	if cwd != "" {
		c.mounts = append(c.mounts, podman.Mount{Source: cwd, Target: cwd})
		if c.workdir == "" {
			c.workdir = cwd
		}
	}
	return nil
}

// parseVolume reads SRC:DST[:OPTION,...], or the name of a volume as SRC.
func parseVolume(s string) (podman.Mount, error) {
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return podman.Mount{}, errors.New("it is SRC:DST or SRC:DST:ro")
	}
	m := podman.Mount{Source: parts[0], Target: path.Clean(parts[1])}
	if !path.IsAbs(m.Target) {
		return m, fmt.Errorf("%s is no path in the container: it begins with /", parts[1])
	}
	if len(parts) == 3 {
		m.Options = strings.Split(parts[2], ",")
	}
	if strings.Contains(m.Source, "/") || m.Source == "." || m.Source == ".." {
		abs, err := filepath.Abs(m.Source)
		if err != nil {
			return m, err
		}
		if _, err := os.Stat(abs); err != nil {
			var errno syscall.Errno
			errors.As(err, &errno)
			return m, fmt.Errorf("%s: %w", abs, errno)
		}
		m.Source = abs
	}
	return m, nil
}

// containerRun is what a session has of its container. The zero value has none.
type containerRun struct {
	opts    *containerOptions
	service *podman.Service
	image   podman.Image
	box     *podman.Container
	stop    context.CancelFunc
}

// prepareContainer is prepare for --image. A signal ends it; the command's own
// come later.
func (s *session) prepareContainer() error {
	if s.opts.user != nil { // whose podman it is that makes the container
		if err := s.opts.user.Become(); err != nil {
			return err
		}
	}
	if err := s.prepareProxy(); err != nil {
		return err
	}
	k := &s.container
	k.opts = &s.opts.container
	ctx, cancel := context.WithCancelCause(context.Background())
	k.stop = func() { cancel(nil) }
	got := make(chan os.Signal, 1)
	signal.Notify(got, sandbox.Signals()...)
	made := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case sig := <-got:
				if asksForState(sig) {
					s.printState()
					continue
				}
				n, _ := sig.(syscall.Signal)
				cancel(&exitError{fmt.Errorf("stopped by the signal %s", sig), exitSignal + int(n), ""})
			case <-made:
			}
			return
		}
	})
	err := s.makeContainer(ctx)
	signal.Stop(got)
	close(made)
	watching.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (s *session) makeContainer(ctx context.Context) error {
	k := &s.container
	var err error
	if s.doors, err = publish(s.opts.publications); err != nil {
		return err
	}
	if k.service, err = podman.Connect(ctx, os.Environ()); err != nil {
		return err
	}
	if err := s.findImage(ctx); err != nil {
		return err
	}
	host, _ := os.Hostname() // "" is podman's choice
	k.box, err = k.service.Run(ctx, podman.Config{
		Image: k.image, User: k.user(), Mounts: k.opts.mounts, Env: k.opts.variables, Hostname: host, ReadOnly: k.opts.sealed,
	}, s.network())
	if err != nil {
		return err
	}
	s.box = k.box.Sandbox
	return nil
}

// user is who the command is.
func (k *containerRun) user() string {
	if k.opts.user != "" {
		return k.opts.user
	}
	return k.image.User
}

// findImage looks for the image, and pulls it where that is asked for.
func (s *session) findImage(ctx context.Context) error {
	k := &s.container
	ok := false
	var err error
	if k.opts.pull == podman.PullMissing || k.opts.pull == podman.PullNever {
		if k.image, ok, err = k.service.Image(ctx, k.opts.image); ok || err != nil {
			return err
		}
		if k.opts.pull == podman.PullNever {
			return &exitError{fmt.Errorf("podman has no image %s", k.opts.image), exitInternal, "leave out --pull never, or podman pull it"}
		}
	}
	if err := s.pull(ctx); err != nil {
		return err
	}
	if k.image, ok, err = k.service.Image(ctx, k.opts.image); err == nil && !ok {
		err = fmt.Errorf("podman has no image %s after pulling it", k.opts.image)
	}
	return err
}

// pull gets the image through the cache: a service of this run's own, which has
// the same images, is told of a proxy that is there for the pull alone. Whom the
// command may reach is another matter.
func (s *session) pull(ctx context.Context) error {
	dir, err := podman.NewDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	trust, err := s.authority.TrustFiles(dir, dir, os.Environ())
	if err != nil {
		return fmt.Errorf("prepare the trust stores: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for podman: %w", err)
	}
	p := s.newProxy()
	p.Secret = rand.Text()
	p.Destination = listenerAddress
	at := &url.URL{Scheme: "http", Host: l.Addr().String(), User: url.UserPassword(proxyUser, p.Secret)}
	env := buildEnvironment(os.Environ(), withProxy(trust.Env, os.Environ(), at))

	serving, stop := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { p.Serve(serving, []net.Listener{l}) })
	defer served.Wait()
	defer stop()
	service, err := podman.Start(ctx, dir, env)
	if err != nil {
		return err
	}
	defer service.Close()
	policy := s.container.opts.pull
	var progress io.Writer = io.Discard
	if term.IsTerminal(int(s.io.err.Fd())) {
		progress = s.io.err
	}
	err = service.Pull(ctx, s.container.opts.image, policy, progress)
	if err != nil && s.opts.offline {
		return &exitError{fmt.Errorf("the image %s is not all in the cache", s.container.opts.image), exitInternal,
			"run once without --offline, or podman pull it"}
	}
	return err
}

// fill completes the command of a container.
func (k *containerRun) fill(c *sandbox.Config, authority *ca.Authority) {
	if k.box == nil {
		return
	}
	c.Path, c.Env, c.Trees = "", nil, nil
	if term, ok := os.LookupEnv("TERM"); ok {
		c.Env = append(c.Env, "TERM="+term)
	}
	for name, value := range k.opts.variables {
		c.Env = append(c.Env, name+"="+value)
	}
	c.Container = &sandbox.Container{User: k.user(), Dir: k.opts.workdir, Data: authority.PEM(), Terminal: true}
}

// trustInside tells in the container what its command must see.
func trustInside(authority []byte, env []string) ([]sandbox.Tree, []string, error) {
	a, err := ca.Public(authority)
	if err != nil {
		return nil, nil, err
	}
	t, err := a.Trust("/", env)
	if err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(t.Env, hasBundle) {
		// An image without any place for one. What is on /dev is in no image.
		if err := os.Mkdir(bareTrust, 0o755); err != nil {
			return nil, nil, err
		}
		files, err := a.TrustFiles(bareTrust, bareTrust, env)
		if err != nil {
			return nil, nil, err
		}
		t.Env = append(t.Env, files.Env...)
	}
	return trees(t.Trees), buildEnvironment(env, t.Env), nil
}

// bareTrust has the bundle in a container whose image has no place for one.
const bareTrust = "/dev/cachex"

// startError is that of a command in the container, if it is in one.
func (k *containerRun) startError(name string, err error) error {
	var failed *sandbox.ExecError
	if k.box == nil || !errors.As(err, &failed) {
		return startError(name, err)
	}
	switch failed.Errno {
	case syscall.ENOENT:
		return &exitError{fmt.Errorf("%s: command not found in %s", name, k.opts.image), exitNotFound,
			"a shell's own words need a shell: cachex run --image IMAGE -- sh -c '…'"}
	case syscall.EACCES:
		return &exitError{fmt.Errorf("%s cannot be executed: %w", name, failed.Errno), exitNotExecutable,
			"the container's user must be able to execute it and to enter " + k.opts.workdir + ": see --user and -w"}
	case syscall.ENOEXEC:
		return &exitError{fmt.Errorf("%s cannot be executed: %w", name, failed.Errno), exitNotExecutable,
			"the image is for " + k.image.Architecture + ": pull the one for this machine, or install qemu-user-static"}
	}
	return startError(name, err)
}

func (k *containerRun) close() {
	if k.stop != nil {
		k.stop()
	}
	k.box.Close()
	k.service.Close()
}
