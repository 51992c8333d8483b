package sandbox

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
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
	s, err := New(t.Context(), Network{})
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
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("curl is not installed")
	}
	dst := make(chan string, 8)
	handle := func(c net.Conn) {
		a, err := OriginalDst(c)
		if err != nil {
			t.Error(err)
		}
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			t.Error(err)
		}
		dst <- a.String()
		io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\nhello")
	}
	got := runScript(t, `curl -sS http://203.0.113.9:8080/ && curl -sS http://203.0.113.9/ &&
		curl -g -sS 'http://[2001:db8::7]:4321/'`, Config{}, handle)
	if got.out != "hellohellohello" || got.state.Code != 0 {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{"203.0.113.9:8080", "203.0.113.9:80", "[2001:db8::7]:4321"} {
		if d := <-dst; d != want {
			t.Errorf("destination %s, want %s", d, want)
		}
	}
}

// What the command leaves behind ends with it.
func TestDaemonsEnd(t *testing.T) {
	seconds := time.Now().Format("150405.000000") // seen in the process list
	got := runScript(t, "setsid sleep "+seconds+" >/dev/null 2>&1 & sleep 0.1; pgrep -f 'sleep "+seconds+"' >/dev/null && echo up", Config{}, nil)
	if got.out != "up\n" {
		t.Fatalf("no daemon: %+v", got)
	}
	if out, err := exec.Command("pgrep", "-f", "sleep "+seconds).Output(); err == nil {
		t.Errorf("still there: %s", out)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := New(ctx, Network{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cancel()
	<-s.ended
}
