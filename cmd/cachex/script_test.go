//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"cachex/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	sandbox.ContainerMain(trustInside)
	testscript.Main(m, map[string]func(){
		"cachex":  main,
		"fetch":   fetch,
		"procs":   procs,
		"talk":    talk,
		"listen":  listen,
		"confine": confine,
		"lookup":  lookup, "forward": forward, "secure": secure, "burst": burst,
	})
}

// TestScripts runs the promises of the command line, testdata/scripts/*.txtar.
// Beside testscript's own commands they have
//
//	cachex ARG...      the program
//	fetch ...          an HTTP client (fetch_test.go)
//	procs PATTERN      like pgrep (procs_test.go)
//	talk HOST:PORT ... a client of raw TCP, and listen HOST:PORT ... a server
//	                   (talk_test.go); $GREETER, $GREETER6 and $CLOSED are ports
//	                   of the host
//	confine ... COMMAND  where the system refuses things (confine_linux_test.go)
//	lookup, forward, secure, burst  see corner_test.go
//	origin up|down     the servers of all names, behind the host's proxy: the
//	                   directory www/HOST/PATH (origin_test.go); it is up at first
//	noleaks PATH...    no secret of the file "secrets" is there (leaks_test.go)
//	examples OF FILE   the examples of a help page (help_test.go)
//	requests N [PATH]  the origin was asked N times since the last "requests"
//
// When a script has ended, each JSON report and record in its directory is held to
// the schema (reports_test.go).
//
// No script can reach the real network: the host's proxy is the test's own.
func TestScripts(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "scripts")
	if found, err := filepath.Glob(filepath.Join(dir, "*.txtar")); err != nil || len(found) == 0 {
		t.Fatalf("no scripts in %s: %v", dir, err)
	}
	schema := reportSchema()
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			checkReportsAfter(env, schema)
			return setUpScript(env)
		},
		Condition: scriptCondition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"origin":   originCommand,
			"requests": requestsCommand,
			"noleaks":  leaksCommand,
			"examples": examplesCommand,
		},
	})
}

// scriptCondition has "root", "landlock", and "anchors": this system's store has a place for
// certificates of the administrator, of which a sandbox has a private copy.
func scriptCondition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Getuid() == 0, nil
	case "landlock":
		for _, t := range sandbox.Ladder(context.Background(), nil) {
			if t.Rung == sandbox.ByGuard {
				return t.Refused == nil, nil
			}
		}
		return false, nil
	case "anchors":
		info, err := os.Stat("/usr/local/share/ca-certificates")
		return err == nil && info.IsDir(), nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

type originKey struct{}

func setUpScript(env *testscript.Env) error {
	o, err := startOrigin(env.WorkDir)
	if err != nil {
		return err
	}
	env.Defer(o.close)
	env.Values[originKey{}] = o
	if err := hostServers(env); err != nil {
		return err
	}
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("CACHEX_CACHE", filepath.Join(env.WorkDir, "cache"))
	env.Setenv("HTTP_PROXY", o.proxyURL())
	env.Setenv("HTTPS_PROXY", o.proxyURL())
	env.Setenv("SSL_CERT_FILE", o.bundle)
	env.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each process otherwise
	env.Setenv("SSL_CERT_DIR", filepath.Join(env.WorkDir, "none"))
	return os.Mkdir(filepath.Join(env.WorkDir, "home"), 0o755)
}

func originCommand(ts *testscript.TestScript, neg bool, args []string) {
	o := ts.Value(originKey{}).(*origin)
	if neg || len(args) != 1 || args[0] != "up" && args[0] != "down" {
		ts.Fatalf("usage: origin up|down")
	}
	o.setUp(args[0] == "up")
}

func requestsCommand(ts *testscript.TestScript, neg bool, args []string) {
	o := ts.Value(originKey{}).(*origin)
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: requests N [PATH]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var got []string
	for _, r := range o.takeRequests() {
		if len(args) == 1 || strings.HasSuffix(r, args[1]) {
			got = append(got, r)
		}
	}
	if len(got) != want {
		ts.Fatalf("%d requests, want %d:\n%s", len(got), want, strings.Join(got, "\n"))
	}
	fmt.Fprintln(ts.Stdout(), strings.Join(got, "\n"))
}
