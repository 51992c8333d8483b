package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"cachex/ca"
	"cachex/cmd/cachex/report"
	"cachex/proxy"
	"cachex/proxy/dns"
	"cachex/proxy/store"
	"cachex/sandbox"
	"cachex/sandbox/podman"
)

// session is one run: the proxy outside, the sandbox inside, and the account.
type session struct {
	opts *runOptions
	// redirect are the proxies on the host's loopback.
	redirect []netip.AddrPort
	io       streams
	started  time.Time
	store    *store.Store
	// authority is this run's own.
	authority *ca.Authority
	trust     ca.Trust
	placed    bool     // the sandbox has its trees already
	variables []string // that go with its trees
	scratch   string   // for --sandbox=env, "" otherwise
	fell      error    // why --sandbox=auto had to take env, nil otherwise
	proxy     *proxy.Proxy
	names     *dns.Resolver
	box       *sandbox.Sandbox
	container containerRun // of --image
	conf      podman.Conf  // of the command's own containers, nil when it makes none
	doors     *publisher
	signals   *signals // nil until they are caught
	account   *account
	line      *statusLine // of --progress, nil without
	lock      lockfile
	lookups   lookups
	chores    sync.WaitGroup // what nobody waits for before the end
}

// run does everything between the command line and the exit status.
func (o *runOptions) run(io streams, args []string) (int, error) {
	path, err := "", error(nil)
	if o.sandbox != sandboxContainer { // where it is looked for inside
		path, err = findCommand(args[0])
	}
	if err != nil {
		return 0, err
	}
	s := &session{opts: o, io: io, started: time.Now()}
	if s.lock, err = openLock(o.lock, o.frozen); err != nil {
		return 0, err
	}
	defer s.close()
	if err := s.prepare(); err != nil {
		return 0, internal(err)
	}
	// Its expressions take a millisecond to compile, in which the command begins.
	shown := sync.OnceValue(func() []string { return withoutSecrets(args) })
	s.chores.Go(func() { shown() })
	state, err := s.serve(path, args)
	if err != nil {
		return 0, err
	}
	status := state.Code
	if state.Signal != 0 {
		status = exitSignal + int(state.Signal)
	}
	locked, failed := s.lock.save(status == 0)
	if failed != nil {
		complain(io.err, failed)
		if status == 0 {
			status = exitInternal // who goes on would take the old one for the new
		}
	}
	if o.failOnMiss && status == 0 && s.account.refused() {
		status = exitMiss
	}
	s.account.learn(state.Missed, state.Sudo)
	r := s.account.report(report.Run{
		Version: version(), Command: shown(), Dir: workingDirectory(), Exit: status, Started: s.started.UTC(),
		MS: time.Since(s.started).Milliseconds(), Sandbox: s.opts.kind(), Policy: string(o.mode),
		Offline: o.offline, Cache: o.cache, Lower: o.lower, Changed: state.Changed, Daemons: state.Daemons,
		Rung: string(s.box.Rung()), Lacks: parts(s.box.Lacks()), Lock: o.lock, Frozen: o.frozen,
		Notes: slices.Concat(s.notes(state.Changed, state.Daemons), locked.note()),
	})
	s.compare(r)
	if err := writeReports(io, o.targets, r); err != nil {
		complain(io.err, err) // the command's status is worth more
	}
	if err := s.account.log.close(); err != nil {
		complain(io.err, err)
	}
	if err := s.keepRecord(r); err != nil {
		complain(io.err, err)
	}
	return status, nil
}

// internal gives an error of cachex's own its exit status.
func internal(err error) error {
	var exit *exitError
	var step *sandbox.StepError
	var engine *podman.Error
	if errors.As(err, &exit) || errors.As(err, &step) || errors.As(err, &engine) {
		return err
	}
	return &exitError{err: err, status: exitInternal}
}

// prepare makes sandbox and proxy: the proxy while the sandbox's first process starts,
// which takes as long as all else here. Both at once from the beginning would be no
// sooner, and 1 ms of processor time more. With sudo the whole sandbox comes first, as
// this process is the user only then.
func (s *session) prepare() error {
	s.redirect = loopbackProxies(os.Getenv)
	if s.opts.sandbox == sandboxContainer {
		return s.prepareContainer()
	}
	caught := make(chan *signals, 1)
	prepared := sync.OnceValue(func() error {
		err := s.prepareProxy()
		if err == nil {
			s.doors, err = publish(s.opts.publications)
		}
		go func() { caught <- catchSignals() }()
		return err
	})
	var early sandbox.Early
	if s.opts.user == nil {
		early = s.early(prepared)
	}
	made := s.makeBox(early)
	err := prepared()
	if s.signals = <-caught; err == nil {
		err = made
	}
	if err != nil && s.opts.mayFall(err) {
		s.fell = err
		s.opts.sandbox, s.placed = sandboxEnv, false
		err = s.prepareEnv(nil)
	}
	if err != nil {
		return err
	}
	if s.opts.sandbox == sandboxEnv {
		return s.explicit()
	}
	return s.doWithout()
}

// early prepares the proxy and gives the sandbox its trees, while that is made.
func (s *session) early(prepared func() error) sandbox.Early {
	return func(without sandbox.Part) ([]sandbox.Tree, []string, error) {
		if err := prepared(); err != nil {
			return nil, nil, err
		}
		s.placed = true
		trees, err := s.trees(without)
		return trees, engineSockets(os.Getenv), err
	}
}

// trees are what a sandbox is to have of its own. Variables go with them.
func (s *session) trees(without sandbox.Part) ([]sandbox.Tree, error) {
	engines, variables, err := s.engines(without)
	s.variables = variables
	return slices.Concat(trees(s.trust.Trees), engines), err
}

func (s *session) makeBox(early sandbox.Early) error {
	if s.opts.sandbox == sandboxEnv {
		return s.prepareEnv(s.opts.user)
	}
	var err error
	s.box, err = sandbox.New(context.Background(), s.network(), s.opts.user, early)
	return err
}

func (s *session) network() sandbox.Network {
	return sandbox.Network{Redirect: s.redirect, HostPorts: s.opts.hostPorts, OwnPorts: published(s.opts.publications)}
}

func (s *session) prepareProxy() error {
	var lines *report.Spool
	err := s.lock.probe()
	for _, t := range s.opts.targets {
		if err == nil {
			err = t.probe()
		}
	}
	if err != nil {
		return err
	}
	if wanted := wantsExchanges(s.opts.targets); wanted || !s.opts.noRecord {
		if lines, err = newSpool(); err != nil && wanted {
			return err
		}
	}
	s.account = newAccount(s.started, lines)
	if err := s.account.log.open(s.opts.verbose); err != nil {
		return err
	}
	if s.opts.offline {
		_ = os.MkdirAll(s.opts.cache, 0o755) // a cache that is not there yet is an empty one
	}
	s.store, err = store.OpenLayers(s.opts.cache, s.opts.offline, s.opts.lower)
	if err == nil && s.store.ReadOnly() && !s.opts.offline {
		err = syscall.EACCES
	}
	if err != nil {
		return s.opts.layersError(err)
	}
	if sandbox.Inside() {
		// The cachex around this one sees each request again, and may have
		// the same directory: waiting for its lock would be waiting for us.
		s.store.Alone()
	}
	if s.authority, err = ca.New(s.started); err != nil {
		return fmt.Errorf("make a certificate authority: %w", err)
	}
	if s.opts.sandbox != sandboxEnv && s.opts.sandbox != sandboxContainer { // which have their files elsewhere
		if s.trust, err = s.authority.Trust("/", os.Environ()); err != nil {
			return fmt.Errorf("prepare the trust stores: %w", err)
		}
	}
	s.readEngines()
	s.names = s.resolver()
	s.proxy = s.newProxy()
	s.proxy.Destination = sandbox.OriginalDst
	s.proxy.Reach = s.opts.reach
	s.proxy.Lock, s.proxy.Frozen = s.lock.got, s.lock.named
	s.proxy.Local = s.local
	s.proxy.Name = s.names.Name
	s.proxy.Client = func(c net.Conn) string { return s.box.Client(c) }
	if !s.opts.noRecord {
		s.chores.Go(func() { s.makeRoom(s.store) })
	}
	return nil
}

// newProxy is a proxy before it is said how connections come to it.
func (s *session) newProxy() *proxy.Proxy {
	// Reading all roots takes milliseconds that a run without a miss can save.
	roots := sync.OnceValues(func() (*x509.CertPool, error) { return ca.Roots(os.Environ()) })
	return &proxy.Proxy{
		Store:       s.store,
		Policy:      s.opts.mode,
		Rules:       s.opts.rules,
		Offline:     s.opts.offline,
		Upstream:    proxy.NewTransport(roots),
		Connect:     proxy.NewConnect(roots),
		Passthrough: s.opts.passedThrough,
		Roots:       roots,
		Certificate: s.authority.Certificate,
		Record:      s.account.record,
	}
}

// cacheError says why a directory can't be the cache.
func cacheError(dir string, err error) error {
	hint := "name another one with --cache DIR"
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "make room on its disk, or " + hint
	case errors.Is(err, syscall.EROFS):
		hint = "make it writable, read it as it is with --offline, or " + hint
	case errors.Is(err, fs.ErrPermission) && !exists(dir):
	case errors.Is(err, fs.ErrPermission):
		hint = ownerHint(dir) + "; or read it as it is with --offline, or " + hint
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno // the path that it was noticed at says nothing more
	}
	return &exitError{fmt.Errorf("open the cache directory %s: %w", dir, err), exitInternal, hint}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// resolver answers the sandbox's questions for names.
func (s *session) resolver() *dns.Resolver {
	r := &dns.Resolver{Known: s.store.HasHost, Absent: s.store.Absent, Note: s.store.NoteName}
	if name, err := os.Hostname(); err == nil {
		r.Self = []string{name}
	}
	if len(s.opts.hostPorts) > 0 {
		r.Fixed = map[string]netip.Addr{hostName: sandbox.HostAddress()}
	}
	if s.opts.offline {
		return r
	}
	r.Lookup = func(ctx context.Context, name string) error {
		if s.opts.reach.Denied(name, 0) != "" {
			return errNotAsked
		}
		if throughProxy(name) {
			return nil // the proxy resolves names that this host may not know
		}
		defer s.lookups.begin(name)()
		_, err := net.DefaultResolver.LookupHost(ctx, name)
		return err
	}
	return r
}

// local gives the host's addresses for a destination that --host-port means. What
// the host's proxy settings name is the proxy's own.
func (s *session) local(dst netip.AddrPort) []netip.AddrPort {
	switch a := dst.Addr().Unmap(); {
	case len(s.opts.hostPorts) == 0:
		return nil
	case a == sandbox.HostAddress():
		return []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dst.Port()),
			netip.AddrPortFrom(netip.IPv6Loopback(), dst.Port()),
		}
	case a.IsLoopback() && !slices.Contains(s.redirect, netip.AddrPortFrom(a, dst.Port())):
		return []netip.AddrPort{netip.AddrPortFrom(a, dst.Port())}
	}
	return nil
}

// errNotAsked gives a denied name an address, so that what is refused is the
// request, with its URL. The host's name server does not hear of it.
var errNotAsked = errors.New("not asked for")

// throughProxy tells whether the host's environment sends requests for a name
// to a proxy: of either kind, as the name is asked for before the request.
func throughProxy(name string) bool {
	return slices.ContainsFunc([]string{"https", "http"}, func(scheme string) bool {
		u, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: name}})
		return err == nil && u != nil
	})
}

// serve runs the command, and the servers for as long as it lives.
func (s *session) serve(path string, args []string) (sandbox.State, error) {
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	defer serving.Wait()
	defer cancel()
	l := s.box.Listeners()
	serving.Go(func() { s.proxy.Serve(ctx, l.TCP) })
	serving.Go(func() { s.names.Serve(ctx, l.DNS, l.DNSStream) })
	var late []sandbox.Tree
	if without := s.without(); !s.placed || without == sandbox.Mounts {
		var err error
		if late, err = s.trees(without); err != nil {
			return sandbox.State{}, internal(err)
		}
	}
	command := sandbox.Config{
		Path: path, Args: args, Env: buildEnvironment(os.Environ(), slices.Concat(s.trust.Env, s.variables)),
		Stdin: s.io.in, Stdout: s.io.out, Stderr: s.io.err, Trees: late,
		Scratch: s.scratch, Daemons: engineSockets(os.Getenv),
	}
	s.container.fill(&command, s.authority)
	if s.line = s.statusLine(); s.line != nil {
		command.Display = s.line
		defer s.line.Close()
	}
	if s.signals == nil {
		s.signals = catchSignals()
	}
	// From before the start, as one could come as soon as the command has begun.
	s.signals.passTo(s.heedSignal)
	defer s.signals.passTo(nil)
	if err := s.box.Start(command); err != nil {
		return sandbox.State{}, s.container.startError(args[0], err)
	}
	serving.Go(func() { s.doors.serve(ctx, s.box) })
	report.Prepare() // while the command begins
	return s.box.Wait()
}

// startError gives an error of the exec itself the exit status of a shell.
func startError(name string, err error) error {
	var failed *sandbox.ExecError
	if !errors.As(err, &failed) {
		return internal(err)
	}
	if errors.Is(err, syscall.ENOENT) {
		return &exitError{fmt.Errorf("%s: its interpreter was not found", name), exitNotFound, "look at its first line"}
	}
	hint := ""
	if errors.Is(err, syscall.ENOEXEC) {
		hint = "it is for another system or processor; file " + name + " tells which"
	}
	return &exitError{fmt.Errorf("%s cannot be executed: %w", name, failed.Errno), exitNotExecutable, hint}
}

func trees(in []ca.Tree) []sandbox.Tree {
	out := make([]sandbox.Tree, len(in))
	for i, t := range in {
		out[i].Path = t.Path
		for _, f := range t.Files {
			out[i].Files = append(out[i].Files, sandbox.File(f))
		}
	}
	return out
}

// heedSignal passes on what is sent to cachex alone, but for the signal that is for
// cachex.
func (s *session) heedSignal(sig os.Signal) {
	if asksForState(sig) {
		s.printState()
		return
	}
	s.box.Signal(sig) // fails only when the build has ended
}

func (s *session) close() {
	s.container.close()
	if s.box != nil {
		s.box.Close()
	}
	s.doors.close()
	if s.scratch != "" {
		_ = os.RemoveAll(s.scratch) // the sandbox has removed it, if it got as far
	}
	s.chores.Wait()
	if s.store != nil {
		s.store.Close()
	}
	s.account.close()
}
