package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// insideMark is argv[0] of this test program when it runs in a sandbox as the
// command: a function of insiders by name.
const insideMark = "sandbox-test-inside"

// insiders print what they find wrong.
var insiders = map[string]func(){
	"servers": serversInside, "datagrams": datagramsInside, "echoes": echoesInside, "multicast": multicastInside, "connections": connectionsInside,
	"appears": appearsInside, "reused": reusedInside, "echo": echoInside,
}

// runInside gives what an insider has printed.
func runInside(t *testing.T, name string, handle func(net.Conn)) string {
	t.Helper()
	return runInsideOf(t, Network{}, []string{name}, handle)
}

func runInsideOf(t *testing.T, n Network, args []string, handle func(net.Conn)) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got := runScriptIn(t, n, "", Config{Path: exe, Args: append([]string{insideMark}, args...)}, handle)
	out, ok := strings.CutSuffix(got.out, "done\n")
	if got.err != nil || !ok {
		t.Fatalf("%+v", got)
	}
	return out
}

func expectSilence(t *testing.T, name string) {
	t.Helper()
	if out := runInside(t, name, nil); out != "" {
		t.Error(out)
	}
}

// Servers of the build work on every address and port of its own, those of our
// listeners excepted, and nothing else answers there.
func TestServers(t *testing.T) { expectSilence(t, "servers") }

func serversInside() {
	for _, host := range []string{"127.0.0.1", "0.0.0.0", "::1", "::", "192.0.0.8"} {
		for _, port := range []string{"1", "53", "80", "443", "8080", "65535"} {
			at := net.JoinHostPort(host, port)
			l, err := net.Listen("tcp", at)
			if err != nil {
				fmt.Println("listen:", err)
				continue
			}
			if err := greeted(l, strings.NewReplacer("0.0.0.0", "127.0.0.1", "[::]", "[::1]").Replace(at)); err != nil {
				fmt.Println(at, err)
			}
			l.Close()
		}
	}
	if c, err := net.Dial("tcp", "127.0.0.1:5432"); err == nil {
		fmt.Println("something listens at", c.RemoteAddr())
	}
}

func greeted(l net.Listener, at string) error {
	c, err := net.DialTimeout("tcp", at, 2*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Fprint(s, "hello")
	b := make([]byte, 9)
	if n, err := c.Read(b); string(b[:n]) != "hello" {
		return fmt.Errorf("read %q, %w", b[:n], err)
	}
	return nil
}

// UDP to elsewhere is refused at once.
func TestDatagrams(t *testing.T) { expectSilence(t, "datagrams") }

func datagramsInside() {
	for _, at := range []string{"203.0.113.4:443", "[2001:db8::4]:443"} {
		began := time.Now()
		c, err := net.Dial("udp", at)
		if err != nil {
			fmt.Println(err)
			continue
		}
		c.SetDeadline(time.Now().Add(2 * time.Second))
		fmt.Fprint(c, "x")
		_, err = c.Read(make([]byte, 1))
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(began) > time.Second {
			fmt.Println(at, err, time.Since(began))
		}
		c.Close()
	}
}

// capabilities reads a line of /proc/PID/status.
func capabilities(t *testing.T, status, name string) string {
	t.Helper()
	m := regexp.MustCompile(name + `:\s*([0-9a-f]+)`).FindStringSubmatch(status)
	if m == nil {
		t.Fatalf("no %s in %q", name, status)
	}
	return m[1]
}

// Root has what it had outside, and an ordinary user nothing.
func TestCapabilities(t *testing.T) {
	const none = "0000000000000000"
	outside, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	got := runScript(t, "cat /proc/self/status", Config{}, nil)
	want := none
	if os.Geteuid() == 0 {
		want = capabilities(t, string(outside), "CapBnd")
	}
	for name, want := range map[string]string{
		"CapInh": none, "CapAmb": none, "CapEff": want, "CapPrm": want,
		"CapBnd": capabilities(t, string(outside), "CapBnd"),
	} {
		if now := capabilities(t, got.out, name); now != want {
			t.Errorf("%s is %s, want %s", name, now, want)
		}
	}
}

// No namespace of the host's is the command's, and none of its processes is seen.
func TestHostOutOfReach(t *testing.T) {
	script := fmt.Sprintf(`for k in net mnt pid user ipc uts; do readlink /proc/self/ns/$k; done
		kill -0 %[1]d 2>/dev/null && echo "process %[1]d is in reach"
		ls -d /proc/[0-9]* | wc -l`, os.Getpid())
	got := runScript(t, script, Config{}, nil)
	lines := strings.Fields(got.out)
	if len(lines) != 7 {
		t.Fatalf("%+v", got)
	}
	kinds := []string{"net", "mnt", "pid", "ipc", "uts"}
	if os.Geteuid() != 0 { // root needs none
		kinds = append(kinds, "user")
	}
	for _, kind := range kinds {
		if slices.Contains(lines, namespaceOf(kind)) {
			t.Errorf("the %s namespace is the host's", kind)
		}
	}
	if n := lines[6]; len(n) > 1 {
		t.Errorf("%s processes are seen", n)
	}
}

// Nothing is set up in a namespace that is not ours alone.
func TestForeignNamespaces(t *testing.T) {
	for _, c := range [][2]string{
		{namespaceOf("net"), "mnt:[1]"}, {"net:[1]", namespaceOf("mnt")}, {"?", "mnt:[1]"}, {"net:[1]", "?"},
	} {
		var step *StepError
		if err := ownNamespaces(c[0], c[1], true); !errors.As(err, &step) || step.Hint == "" {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, mount := range []string{"mnt:[1]", ""} {
		if err := ownNamespaces("net:[1]", mount, mount != ""); err != nil {
			t.Error(err)
		}
	}
}

// A tree is a private copy: what the command does to it stays in the sandbox,
// and is told.
func TestTrees(t *testing.T) {
	for name, c := range map[string]struct {
		script, out string
		changed     bool
	}{
		"read":     {"cat host new sub/new link; stat -c %a new sub", "host\nnew\nnew\nnew\n640\n700\n", false},
		"listed":   {"ls", "host\nlink\nnew\nsub\n", false},
		"rewrite":  {"cp new other; rm new; cat other", "new\n", true},
		"same":     {"cp new other; rm new; mv other new; cat new", "new\n", false},
		"host's":   {"echo changed >host; cat host", "changed\n", true},
		"removed":  {"rm host; ls", "link\nnew\nsub\n", true},
		"no proof": {"true", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "host"), []byte("host\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
				t.Fatal(err)
			}
			tree := Tree{Path: dir, Files: []File{
				{Name: "link", Link: "new"},
				{Name: "new", Data: []byte("new\n"), Mode: 0o640},
				{Name: "sub/new", Data: []byte("new\n"), Mode: 0o644},
			}}
			got := runScript(t, "cd "+dir+" && "+c.script, Config{Trees: []Tree{tree}}, nil)
			if got.err != nil || got.out != c.out || (len(got.state.Changed) > 0) != c.changed {
				t.Errorf("%+v, want %q, changed: %v", got, c.out, c.changed)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "host")); string(b) != "host\n" {
				t.Errorf("the host's file is %q, %v", b, err)
			}
			if names, err := os.ReadDir(dir); len(names) != 2 {
				t.Errorf("the host's directory has %v, %v", names, err)
			}
		})
	}
}

// No address comes up later: Chromium gives up what it is loading when one does.
func TestAddressesAreSettled(t *testing.T) {
	got := runScript(t, "f=/proc/sys/net/ipv6/conf/eth0/accept_dad; if [ -e $f ]; then cat $f; else echo 0; fi", Config{}, nil)
	if got.err != nil || strings.TrimSpace(got.out) != "0" {
		t.Errorf("accept_dad of eth0: %+v", got)
	}
}
