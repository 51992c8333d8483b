package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// ran is what a script did in a sandbox.
type ran struct {
	out   string // standard output and error
	state State
	err   error
}

// runScript runs a shell script in a sandbox whose TCP listener is served by
// handle, which may be nil.
func runScript(t *testing.T, script string, c Config, handle func(net.Conn)) ran {
	t.Helper()
	return runScriptIn(t, Network{}, script, c, handle)
}

func runScriptIn(t *testing.T, n Network, script string, c Config, handle func(net.Conn)) ran {
	t.Helper()
	s, err := New(t.Context(), n, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var serving sync.WaitGroup
	defer serving.Wait()
	for _, l := range s.Listeners().TCP {
		defer l.Close()
		serving.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				if handle != nil {
					handle(conn)
				}
				conn.Close()
			}
		})
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if c.Path == "" {
		c.Path, c.Args = "/bin/sh", []string{"sh", "-c", script}
	}
	if c.Env == nil {
		c.Env = []string{"PATH=" + os.Getenv("PATH")}
	}
	c.Stdin, c.Stdout, c.Stderr = null, w, w
	err = s.Start(c)
	w.Close()
	if err != nil {
		return ran{err: err}
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	state, err := s.Wait()
	return ran{out: string(out), state: state, err: err}
}

func TestExitStatus(t *testing.T) {
	for script, want := range map[string]State{
		"exit 0":        {},
		"exit 7":        {Code: 7},
		"kill -TERM $$": {Signal: syscall.SIGTERM},
		"kill -9 $$":    {Signal: syscall.SIGKILL},
	} {
		got := runScript(t, script, Config{}, nil)
		if got.err != nil || got.state.Code != want.Code || got.state.Signal != want.Signal {
			t.Errorf("%s: %+v", script, got)
		}
	}
}

func TestExecErrors(t *testing.T) {
	got := runScript(t, "", Config{Path: "/nonexistent", Args: []string{"x"}}, nil)
	var failed *ExecError
	if !errors.As(got.err, &failed) || failed.Errno != syscall.ENOENT {
		t.Errorf("missing program: %v", got.err)
	}
	got = runScript(t, "", Config{Path: "/etc/passwd", Args: []string{"x"}}, nil)
	if !errors.As(got.err, &failed) || failed.Errno != syscall.EACCES {
		t.Errorf("program without x: %v", got.err)
	}
}

// A script without "#!" is the shell's, as for every shell; a program for
// another processor is nobody's.
func TestNoInterpreterLine(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	c := Config{Path: script, Args: []string{"script", "an argument"}}
	if err := os.WriteFile(script, []byte("echo \"$0 <$1>\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := runScript(t, "", c, nil); got.err != nil || got.out != script+" <an argument>\n" {
		t.Errorf("text: %+v", got)
	}
	if err := os.WriteFile(script, []byte("\x7fELF\x00 echo no\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var failed *ExecError
	if got := runScript(t, "", c, nil); !errors.As(got.err, &failed) || failed.Errno != syscall.ENOEXEC {
		t.Errorf("binary: %+v", got)
	}
}

// The command is who the user is, where the user is.
func TestIdentity(t *testing.T) {
	script := "id -u; id -g; pwd; umask; ulimit -Sn; hostname"
	umask := syscall.Umask(0o027)
	defer syscall.Umask(umask)
	outside, err := exec.Command("/bin/sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	inside := runScript(t, script, Config{}, nil)
	if inside.out != string(outside) {
		t.Errorf("inside:\n%soutside:\n%s", inside.out, outside)
	}
}

func TestOriginalDestination(t *testing.T) {
	handle := func(c net.Conn) {
		a, err := OriginalDst(c)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(c, a)
	}
	got := runInside(t, "connections", handle)
	for _, want := range connections() {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no connection to %s in %q", want, got)
		}
	}
}

func connections() []string {
	return []string{"203.0.113.9:8080", "203.0.113.9:80", "[2001:db8::7]:4321"}
}

// connectionsInside prints where the other end says that it was called.
func connectionsInside() {
	for _, at := range connections() {
		c, err := net.Dial("tcp", at)
		if err != nil {
			fmt.Println(err)
			continue
		}
		b, err := io.ReadAll(c)
		c.Close()
		if string(b) != at || err != nil {
			fmt.Println(at, "arrived as", string(b), err)
			continue
		}
		fmt.Println(at)
	}
}

// What the command leaves behind ends with it.
func TestDaemonsEnd(t *testing.T) {
	got := runScript(t, "setsid sleep 1000 >/dev/null 2>&1 & readlink /proc/self/ns/pid; sleep 0.1; kill -0 $! && echo up", Config{}, nil)
	namespace, up, _ := strings.Cut(got.out, "\n")
	if up != "up\n" {
		t.Fatalf("no daemon: %+v", got)
	}
	all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil || len(all) == 0 {
		t.Fatal("no processes", err)
	}
	for _, p := range all {
		if now, err := os.Readlink(p); err == nil && now == namespace {
			t.Errorf("%s is still there", p)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := New(ctx, Network{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cancel()
	<-s.ended
}
