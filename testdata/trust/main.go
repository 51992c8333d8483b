// Command trust shows, client by client, that programs accept cachex's
// authority without a setting.
//
//	go run ./testdata/trust [flags] [NAME...]
//
// Each NAME.sh beside this file is a client. It is run against a server whose
// certificate only cachex accepts:
//
//   - outside cachex, where it must refuse the server, and be seen to try: a
//     client that verifies nothing would prove nothing;
//   - inside, as this user and as an ordinary one, where it must get the
//     server's secret, and cachex must have opened the connection.
//
// What a client needs is installed below -dir, or by apt with -install, by the
// ordinary package managers; a second run finds it there.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runner has what all clients share.
type runner struct {
	cachex, fixtures, dir, work string
	install                     bool
	origin                      *origin
	other                       *syscall.Credential // the ordinary user; nil without one
}

func main() {
	log.SetFlags(0)
	cachex := flag.String("cachex", "cachex", "the `PROGRAM` to test")
	dir := flag.String("dir", defaultDir(), "keep what is installed in `DIR`")
	install := flag.Bool("install", false, "let scripts use apt-get, as root")
	quick := flag.Bool("quick", false, "only what installs fast")
	name := flag.String("user", "", "run everything as the ordinary user `NAME` too, when root")
	write := flag.String("write", "", "put the table into `FILE`")
	must := flag.String("must", "", "fail when one of these `NAMES`, with commas, is not here")
	flag.Parse()
	if os.Getuid() == 0 && os.Getenv(parentNamespace) == "" {
		cmd, err := again()
		if err == nil {
			err = cmd.Run()
		}
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			log.Fatal("trust: ", err)
		}
		os.Exit(cmd.ProcessState.ExitCode())
	}
	failed, err := run(options{*cachex, *dir, *name, *write, *install, *quick, strings.Split(*must, ","), flag.Args()})
	if err != nil {
		log.Fatal("trust: ", err)
	}
	if failed {
		os.Exit(1)
	}
}

// defaultDir is where an ordinary user reaches it too: root's home is closed.
func defaultDir() string {
	if d := os.Getenv("CACHEX_TRUST_DIR"); d != "" {
		return d
	}
	if os.Getuid() == 0 {
		return "/var/cache/cachex-trust"
	}
	home, _ := os.UserHomeDir() // without one, the working directory
	return filepath.Join(home, ".cache", "cachex-trust")
}

// options are the command line: see the flags.
type options struct {
	cachex, dir, user, write string
	install, quick           bool
	must, names              []string
}

func run(o options) (failed bool, err error) {
	r := &runner{install: o.install}
	if r.fixtures, err = filepath.Abs("testdata/trust"); err != nil {
		return true, err
	}
	if r.dir, err = filepath.Abs(o.dir); err != nil {
		return true, err
	}
	clients, err := readClients(r.fixtures, o.names, o.quick)
	if err != nil {
		return true, err
	}
	for _, name := range o.must {
		if name != "" && !slices.ContainsFunc(clients, func(c client) bool { return c.name == name }) {
			return true, fmt.Errorf("%s must be here, and is not among the clients", name)
		}
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return true, err
	}
	if r.work, err = os.MkdirTemp("", "cachex-trust-"); err != nil {
		return true, err
	}
	defer os.RemoveAll(r.work)
	if err := os.Chmod(r.work, 0o755); err != nil {
		return true, err
	}
	// Where the ordinary user can reach it.
	r.cachex = filepath.Join(r.work, "cachex")
	if err := copyProgram(o.cachex, r.cachex); err != nil {
		return true, err
	}
	if o.user != "" && os.Getuid() == 0 {
		if r.other, err = credential(o.user); err != nil {
			return true, err
		}
	}
	if r.origin, err = startOrigin(r.work); err != nil {
		return true, err
	}
	defer r.origin.server.Close()
	var results []result
	for _, c := range clients {
		began := time.Now()
		res := r.prove(c)
		if res.missing != "" && slices.Contains(o.must, c.name) {
			res.failures = append(res.failures, "it must be here: "+res.missing)
		}
		fmt.Printf("%-24s %-34s %s (%.1f s)\n", c.name, clip(res.version, 34), res.words(), time.Since(began).Seconds())
		for _, f := range res.failures {
			failed = true
			fmt.Printf("    %s\n", strings.ReplaceAll(strings.TrimSpace(f), "\n", "\n    "))
		}
		results = append(results, res)
	}
	if o.write != "" {
		err = writeTable(o.write, results)
	}
	return failed, err
}

func copyProgram(from, to string) error {
	path, err := exec.LookPath(from)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(u.Gid)
	if err := errors.Join(err, gerr); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func clip(s string, n int) string { return s[:min(len(s), n)] }
