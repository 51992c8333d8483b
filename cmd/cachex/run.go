package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"cachex/proxy"
	"cachex/proxy/policy"
	"cachex/sandbox"
)

// runOptions are the flags of "cachex run".
type runOptions struct {
	cache      string // what is written to
	layer      string
	lower      []string // below cache; with --layer, what --cache names as well
	offline    bool
	policy     string
	sandbox    string
	failOnMiss bool
	lock       string
	noRecord   bool
	quiet      bool
	verbose    string // the file, "" for none
	progress   bool
	frozen     bool
	pass       []string
	allow      []string
	deny       []string
	hostPort   []string
	publish    []string
	reports    []string
	subjects   []string
	container  containerOptions

	user          *sandbox.User // who called sudo, nil when nobody did
	mode          policy.Mode
	passedThrough proxy.Hosts
	ruledThrough  proxy.Hosts // of rules in files
	rules         policy.Rules
	reach         proxy.Reach
	hostPorts     []uint16
	publications  []publication
	targets       []reportTarget
}

const runLong = `Run COMMAND in a sandbox whose only way to the network is cachex. Every file
that the command downloads is kept as a plain file, HOST/PATH, in the cache
directory, and the next run gets it from there. The command keeps its user,
directory, files, terminal, standard streams and exit status.

With --layer what is new is kept in DIR alone, and the cache stays as it is. A
directory of --lower, such as a team's on a network file system, is looked into
for what the cache does not have, and never written to. See "cachex help
layers".

A program that accepts certain certificates alone, or shows one of its own, gets
through with --passthrough: TLS to the HOST is then tunnelled and nothing of it
is kept. The report names the hosts that need it.

With --allow only those hosts can be reached, and --deny takes hosts out of what
is allowed. A request to another is refused with a 403, whether its answer is in
the cache or not, a connection is closed, and the report names it.

HOST is a name, *.NAME for all names below it, * for all, an address or a
network (192.0.2.0/24), with :PORT for that port alone. Names are compared as
the command uses them, not by the addresses that they lead to.

Loopback is the sandbox's own. With --host-port a TCP port of the host's, such
as a database's, is reached at the same address, 127.0.0.1 or ::1; "all" is
every port. A server that the command itself starts on that port comes first;
the name ` + hostName + ` means the host whatever listens inside. A port
that is closed outside is refused inside. (One that has just opened is seen
within a tenth of a second; one that has just closed may be reset instead of
refused.)
What is sent is carried as it is and not kept, with --offline too, whatever
--allow says.

--publish does the reverse: HOST:PORT of the host, 127.0.0.1 if no HOST is
given, leads to the second PORT, or else the same, of the sandbox's loopback.

With --lock each answer that the command receives is named in FILE, with its
digest; what was there stays, or is changed to what was received now. With
--frozen as well a request that FILE does not name is refused, and so are bytes
that differ, before the last of them is sent, wherever they come from. What FILE
names is served though the server, or the cache, has something newer. See
"cachex help lock".

With --image the command runs in a container of IMAGE, which podman makes, as
root or without: with this directory at the same path, the image's variables and
user, and none of the host's (see -e). COMMAND is all that runs, whatever the
image's entry point. -v, -w, -e, --user and --read-only are those of podman run.
Without root, the user in the container is the one outside as well: files are
yours. The container is removed at the end.

With --sandbox=env nothing is made: the command is told of cachex as its proxy
by HTTP_PROXY and the like, and of the certificates by SSL_CERT_FILE and others.
That needs no rights and works on every system, but a program that heeds neither
goes past the cache, also with --offline, and the report cannot know. "auto"
takes it where the system allows no sandbox, with a guard where the kernel has
Landlock: ports below 1024 are closed then to what does not listen to variables.
The report says why; not with --offline, --allow, --deny or --publish, which a
sandbox alone can hold. "cachex doctor" tells what a system allows.

With sudo cachex run, root makes the sandbox, and the command, its files and the
cache are those of the user who called sudo. sudo works in the command then; in
a sandbox that an ordinary user makes it has no power.

When it has ended, a report on standard error says what came from the cache and
what from the network, and why; with --quiet it is one line. There is none where
nothing was asked for. See "cachex help reports".

With --progress the last line of the terminal says what is being downloaded, and
how fast. The command then has a terminal of its own, which is a line shorter,
and nothing else that it writes there is changed. It is off where standard input
or error is no terminal.

For a command that seems to hang, SIGUSR1 (kill -USR1 PID) has cachex say on
standard error what is under way: each request, for how long, and what it waits
for. It is not passed on to the command, as other signals are. With --verbose
each request adds a line to a file as it ends, so that tail -f shows them: when
it began, what became of it, status, bytes, milliseconds, URL and reason. The
file is cachex.log, or that of --verbose=FILE.

EXIT STATUS
  that of COMMAND; 128+N when signal N ended it;
  3    --fail-on-miss: the command succeeded although a request was refused
  125  cachex itself failed
  126  COMMAND was found and cannot be executed
  127  COMMAND was not found

ENVIRONMENT
  CACHEX_CACHE, CACHEX_LAYER, CACHEX_LOWER, CACHEX_OFFLINE, CACHEX_POLICY,
  CACHEX_SANDBOX, CACHEX_REPORT, CACHEX_SUBJECT, CACHEX_ALLOW, CACHEX_DENY,
  CACHEX_PASSTHROUGH, CACHEX_HOST_PORT, CACHEX_PUBLISH, CACHEX_FAIL_ON_MISS,
  CACHEX_LOCK, CACHEX_FROZEN, CACHEX_NO_RECORD, CACHEX_QUIET, CACHEX_VERBOSE,
  CACHEX_PROGRESS,
  CACHEX_IMAGE, CACHEX_PULL, CACHEX_USER, CACHEX_VOLUME, CACHEX_WORKDIR,
  CACHEX_READ_ONLY, CACHEX_ENV and CACHEX_CONFIG give defaults for the flags of
  those names. Lists are separated by commas: what has a comma in it, such as a
  path, takes the flag or a file. After them come those of a file: see "cachex
  help config".

  CONTAINER_HOST names podman's service, as for podman itself.

  HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in either case, are the way that cachex
  itself takes to the network; SSL_CERT_FILE and SSL_CERT_DIR are whom it trusts
  there. XDG_CACHE_HOME, else $HOME/.cache, has the cache directory, and TMPDIR
  what a JSON report is made of. NO_COLOR takes the colours out of the report.`

func newRunCommand(io streams, status *int) *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run [flags] [--] COMMAND [ARG...]",
		Short: "Run a command with its downloads cached",
		Long:  runLong,
		Example: `  cachex run -- npm ci
  cachex run --offline -- npm ci
  cachex run --report json=report.json -- make
  cachex run --lock cachex.lock -- npm ci
  cachex run --lock cachex.lock --frozen -- npm ci
  cachex run --allow '*.example' --deny old.registry.example -- npm ci
  cachex run --cache ./downloads --policy forever -- make
  cachex run --host-port 5432 -- make
  cachex run -- sh -c 'npm ci && make'
  cachex run -- bash`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{errors.New("no command to run"), "cachex run"}
			}
			var err error
			if o.user, err = invoker(); err != nil { // before files are read: they are that user's
				return err
			}
			conf, err := defaults(c, runKey)
			if err != nil {
				return err
			}
			o.rules, o.ruledThrough = conf.rules(os.Getenv), conf.passthrough()
			if err := o.check(); err != nil {
				return &usageError{err, "cachex run"}
			}
			*status, err = o.run(io, args)
			return err
		},
	}
	f := c.Flags()
	f.SetInterspersed(false)
	configFlag(f)
	f.StringVar(&o.cache, "cache", "", "cache `DIR` (default: the user's cache directory + /cachex)")
	f.StringVar(&o.layer, "layer", "", "`DIR` for what is new: the cache is read and stays as it is")
	f.StringArrayVar(&o.lower, "lower", nil, "`DIR` below the cache, which is only read (repeatable)")
	f.BoolVar(&o.offline, "offline", false, "use no network")
	f.StringVar(&o.policy, "policy", string(policy.Artifacts), "`POLICY`: artifacts, forever or rfc9111")
	f.StringVar(&o.sandbox, "sandbox", "auto", "`KIND`: auto, netns, container, or env, by variables alone")
	o.container.flags(f)
	f.BoolVar(&o.failOnMiss, "fail-on-miss", false, "exit with 3 when the command succeeded although a request was refused")
	f.BoolVar(&o.noRecord, "no-record", false, "leave no record for cachex report")
	f.StringVar(&o.verbose, "verbose", "", "add a line to `FILE` for each request, as it ends")
	f.Lookup("verbose").NoOptDefVal = verboseFile
	f.BoolVar(&o.progress, "progress", false, "keep a line on the terminal that says what is downloaded")
	f.BoolVar(&o.quiet, "quiet", false, "report one line instead of a text")
	f.StringVar(&o.lock, "lock", "", "name what the command receives in `FILE`")
	f.BoolVar(&o.frozen, "frozen", false, "refuse what --lock does not name, and what differs")
	f.StringArrayVar(&o.allow, "allow", nil, "the only `HOST` that may be reached (repeatable)")
	f.StringArrayVar(&o.deny, "deny", nil, "`HOST` that may not be reached (repeatable)")
	f.StringArrayVar(&o.pass, "passthrough", nil, "`HOST` whose TLS is tunnelled, not opened (repeatable)")
	f.StringArrayVar(&o.hostPort, "host-port", nil, "`PORT` of the host's loopback to be reached, or all (repeatable)")
	f.StringArrayVar(&o.publish, "publish", nil, "`PORTS` of host and sandbox, [HOST:]PORT[:PORT] (repeatable)")
	f.StringArrayVar(&o.reports, "report", nil, "`FORMAT[=FILE]`: "+anyOf(append(reportFormats(), "none"))+" (repeatable; default text)")
	f.StringArrayVar(&o.subjects, "subject", nil, "`FILE` of the command's that --report slsa is for (repeatable)")
	return c
}

// verboseFile is where --verbose without a file writes.
const verboseFile = "cachex.log"

// check reads the flags that are more than a word.
func (o *runOptions) check() error {
	var err error
	if o.mode, err = parsePolicy(o.policy); err != nil {
		return err
	}
	for _, hosts := range []struct {
		flag  string
		given []string
		read  *proxy.Hosts
	}{
		{"passthrough", o.pass, &o.passedThrough}, {"allow", o.allow, &o.reach.Allow}, {"deny", o.deny, &o.reach.Deny},
	} {
		if *hosts.read, err = proxy.ParseHosts(hosts.given); err != nil {
			return fmt.Errorf("--%s: %w", hosts.flag, err)
		}
	}
	o.passedThrough = append(o.passedThrough, o.ruledThrough...)
	if o.hostPorts, err = parseHostPorts(o.hostPort); err != nil {
		return err
	}
	if o.publications, err = parsePublish(o.publish); err != nil {
		return err
	}
	if err := checkPorts(o.publications, o.hostPorts); err != nil {
		return err
	}
	if o.targets, err = parseReports(o.reports, o.quiet); err != nil {
		return err
	}
	if err := giveSubjects(o.targets, o.subjects); err != nil {
		return err
	}
	if o.verbose == "1" || o.verbose == "true" { // as CACHEX_VERBOSE may be
		o.verbose = verboseFile
	}
	if o.frozen && o.lock == "" {
		return &hintedError{errors.New("--frozen needs the lock to hold to"), "name it: --lock FILE --frozen"}
	}
	if err := o.checkSandbox(); err != nil {
		return err
	}
	if o.cache, err = cacheDirectory(o.cache); err != nil {
		return err
	}
	return o.checkLayers()
}

// The kinds of sandbox.
const (
	sandboxAuto  = "auto"
	sandboxNetns = "netns"
	sandboxEnv   = "env"
	// sandboxContainer is that of --image.
	sandboxContainer = "container"
)

func (o *runOptions) checkSandbox() error {
	if err := o.checkContainer(); err != nil {
		return err
	}
	switch o.sandbox {
	case sandboxAuto, sandboxNetns:
	case sandboxEnv:
		if len(o.publications) > 0 {
			return errors.New("--publish needs a sandbox of its own network: the command's ports are the machine's with --sandbox=env")
		}
		o.hostPorts = nil // they are all there
	case sandboxContainer:
	default:
		return knownSandbox(o.sandbox)
	}
	return nil
}

func knownSandbox(word string) error {
	kinds := []string{sandboxAuto, sandboxNetns, sandboxContainer, sandboxEnv}
	if slices.Contains(kinds, word) {
		return nil
	}
	return unknownWord(fmt.Errorf("unknown sandbox %q: it is auto, netns, container or env", word), word, kinds, "%s")
}

// mayFall tells whether auto may go on without a sandbox. It may not where the
// user asked for what only a sandbox can hold: no network, or not all of it.
func (o *runOptions) mayFall(err error) bool {
	var step *sandbox.StepError
	var errno syscall.Errno // the system's own refusal
	return o.sandbox == sandboxAuto && errors.As(err, &step) && errors.As(err, &errno) && !o.offline && len(o.publications) == 0 &&
		len(o.reach.Allow) == 0 && len(o.reach.Deny) == 0
}

// kind is the sandbox that the report names.
func (o *runOptions) kind() string {
	if o.sandbox == sandboxAuto {
		return sandboxNetns
	}
	return o.sandbox
}

// findCommand looks the command up as a shell does, with the exit status of one
// when it can't be run.
func findCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		err = nil // PATH says so: the user wants it
	}
	switch {
	case err == nil:
		return filepath.Abs(path)
	case errors.Is(err, syscall.EISDIR):
		return "", &exitError{fmt.Errorf("%s cannot be executed: it is a directory", name), exitNotExecutable, ""}
	case errors.Is(err, fs.ErrPermission):
		return "", &exitError{fmt.Errorf("%s cannot be executed: permission denied", name), exitNotExecutable,
			"chmod +x it, or name its interpreter"}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		if name == "" {
			name = `""`
		}
		return "", &exitError{fmt.Errorf("%s: command not found", name), exitNotFound,
			"a shell's own words need a shell: cachex run -- sh -c '…'"}
	}
	return "", &exitError{fmt.Errorf("%s: %w", name, err), exitNotExecutable, ""}
}
