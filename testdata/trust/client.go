package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// client is one script: what its head says, and three functions.
//
//	install   makes the client ready; its last line says why when it can't
//	version   prints the client's version
//	get       fetches from $ORIGIN and prints what it got
type client struct {
	name string
	// title, looks and given are columns of the table.
	title, looks, given string
	family              string
	// refuses is the reason why this client can't be made to trust; "" for all
	// that must.
	refuses string
	// asks is for clients that can't print what they fetch: that a request was
	// made at all is the proof.
	asks  bool
	quick bool
	// root is for what an ordinary user may not do.
	root bool
}

// result is a row of the table.
type result struct {
	client
	version  string
	missing  string // why it could not be installed
	as       []string
	failures []string
}

func (r result) words() string {
	switch {
	case r.missing != "":
		return "not here: " + r.missing
	case len(r.failures) > 0:
		return "FAILED"
	case r.refuses != "":
		return "refuses"
	}
	return "trusts, as " + strings.Join(r.as, " and ")
}

// readClients reads the heads of all scripts, or of those named.
func readClients(dir string, names []string, quick bool) ([]client, error) {
	if len(names) == 0 {
		scripts, _ := filepath.Glob(filepath.Join(dir, "*.sh")) // the pattern is well-formed
		for _, s := range scripts {
			if n := strings.TrimSuffix(filepath.Base(s), ".sh"); n != "common" {
				names = append(names, n)
			}
		}
	}
	if len(names) == 0 {
		return nil, errors.New("no clients: run from the top of the repository")
	}
	var all []client
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(dir, n+".sh"))
		if err != nil {
			return nil, err
		}
		c := client{name: n}
		fields := map[string]*string{
			"client": &c.title, "family": &c.family, "looks": &c.looks, "given": &c.given, "refuses": &c.refuses,
		}
		for line := range strings.Lines(string(b)) {
			key, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# "), ":")
			if to := fields[key]; to != nil && strings.HasPrefix(line, "# ") {
				*to = strings.TrimSpace(value)
			}
			c.asks = c.asks || line == "# proof: request\n"
			c.quick = c.quick || line == "# quick\n"
			c.root = c.root || line == "# root\n"
		}
		if c.title == "" || c.family == "" || c.looks == "" || c.given == "" {
			return nil, fmt.Errorf("%s.sh: its head must name client, family, looks and given", n)
		}
		if !quick || c.quick {
			all = append(all, c)
		}
	}
	return all, nil
}

// prove runs one client outside and inside.
func (r *runner) prove(c client) result {
	res := result{client: c}
	if c.root && os.Getuid() != 0 {
		res.missing = "only root can"
		return res
	}
	fail := func(format string, args ...any) { res.failures = append(res.failures, fmt.Sprintf(format, args...)) }
	if out, err := r.call(c, "install", "", nil, false); err != nil {
		res.missing = lastLine(out)
		return res
	}
	out, _ := r.call(c, "version", "", nil, false)
	res.version = firstLine(out)

	seen := r.origin.counts()
	out, err := r.call(c, "get", "", nil, false)
	now := r.origin.counts()
	switch {
	case now.requests != seen.requests || err == nil && bytes.Contains(out, []byte(secret)):
		fail("outside cachex it accepts a certificate of nobody's:\n%s", tail(out))
	case now.hellos == seen.hellos:
		fail("outside cachex it does not even call:\n%s", tail(out))
	}
	users := map[string]*syscall.Credential{"root": nil}
	if os.Getuid() != 0 {
		users = map[string]*syscall.Credential{"user": nil}
	} else if r.other != nil {
		users["user"] = r.other
	}
	for _, as := range []string{"root", "user"} {
		credential, ok := users[as]
		if !ok || as == "user" && c.root {
			continue
		}
		report := filepath.Join(r.work, "report-"+c.name+"-"+as)
		out, err := r.call(c, "get", report, credential, true)
		reached, refused := r.reached(report)
		got := err == nil && bytes.Contains(out, []byte(secret))
		switch {
		case c.refuses != "" && reached:
			fail("as %s: it was said to refuse, and does not", as)
		case c.refuses != "" && !refused:
			fail("as %s: cachex saw nobody refuse its certificate:\n%s", as, tail(out))
		case c.refuses != "":
		case !reached:
			fail("as %s: no request reached cachex:\n%s", as, tail(out))
		case !c.asks && !got:
			fail("as %s: %v:\n%s", as, err, tail(out))
		default:
			res.as = append(res.as, as)
		}
	}
	return res
}

// reached tells whether cachex opened a connection and read a request in it (a
// tunnel would be the client's trust in someone else), and whether it saw a
// client refuse its certificate.
func (r *runner) reached(report string) (reached, refused bool) {
	var read struct {
		Exchanges []struct{ URL, Outcome, Reason string }
	}
	b, err := os.ReadFile(filepath.Join(report, "json"))
	if err != nil || json.Unmarshal(b, &read) != nil {
		return false, false
	}
	for _, x := range read.Exchanges {
		opened := slices.Contains([]string{"hit", "miss", "pass", "stale", "revalidated"}, x.Outcome)
		reached = reached || opened && strings.HasPrefix(x.URL, r.origin.url+"/")
		refused = refused || x.URL == r.origin.url && strings.Contains(x.Reason, "refuses the certificate")
	}
	return reached, refused
}

// limit is for the slowest, a JVM or browser on a busy machine; install may
// compile.
const (
	limit        = 2 * time.Minute
	installLimit = 15 * time.Minute
)

// call runs one function of a script in an empty directory with an empty home,
// through cachex if there is a place for a report.
func (r *runner) call(c client, function, report string, as *syscall.Credential, inside bool) ([]byte, error) {
	tmp, err := os.MkdirTemp(r.work, c.name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	dirs := []string{tmp, filepath.Join(tmp, "home"), filepath.Join(tmp, "work"), filepath.Join(tmp, "tmp")}
	if inside {
		dirs = append(dirs, report)
	}
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
		// Builds that switch users go through it.
		if err := os.Chmod(d, 0o755); err != nil {
			return nil, err
		}
		if as != nil {
			if err := os.Chown(d, int(as.Uid), int(as.Gid)); err != nil {
				return nil, err
			}
		}
	}
	after := installLimit
	if function == "get" {
		after = limit
	}
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	script := fmt.Sprintf(". %s/common.sh; . %s/%s.sh; %s", r.fixtures, r.fixtures, c.name, function)
	args := []string{"sh", "-euc", script}
	if inside {
		args = append([]string{r.cachex, "run", "--cache", filepath.Join(tmp, "cache"), "--report", "none",
			"--report", "json=" + filepath.Join(report, "json"), "--"}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dirs[2]
	cmd.Env = r.environment(function, tmp, inside)
	// What a client leaves running must not keep us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd.CombinedOutput()
}

// environment is next to empty: no variable of this machine may explain a
// success. install may use the network as it is set up here.
func (r *runner) environment(function, tmp string, inside bool) []string {
	var env []string
	if function == "install" {
		env = os.Environ()
	} else {
		env = []string{"HOME=" + filepath.Join(tmp, "home"), "LANG=C.UTF-8", "TMPDIR=" + filepath.Join(tmp, "tmp"),
			"PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	}
	if r.install {
		env = append(env, "APT=1")
	}
	if inside {
		env = append(env, "SSL_CERT_FILE="+r.origin.bundle, "INSIDE=1")
	}
	return append(env, "DIR="+r.dir, "FIXTURES="+r.fixtures, "ORIGIN="+r.origin.url, "HOSTPORT="+strings.TrimPrefix(r.origin.url, "https://"))
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}

func lastLine(b []byte) string {
	s := strings.TrimSpace(string(b))
	return s[strings.LastIndexByte(s, '\n')+1:]
}

func tail(b []byte) string { return string(b[max(0, len(b)-1500):]) }
