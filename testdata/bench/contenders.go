//go:build linux

package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Names of contenders.
const (
	limitName     = "limit"
	cachexName    = "cachex"
	squidName     = "squid"
	mitmproxyName = "mitmproxy"
)

// contender is what is between a client and the origin.
type contender interface {
	name() string
	version() string
	// command is a client with a task, in this contender's surroundings.
	command(*stage, task) *exec.Cmd
	// processes are those whose time and memory count while the client runs.
	processes(client *exec.Cmd) []int
	// restart makes it as new after a failure.
	restart() error
	close()
}

// contenders starts those whose names are wanted, and says why others are missing.
func (s *stage) contenders(wanted *regexp.Regexp) (list []contender, missing []string) {
	for _, c := range []contender{
		&limit{s}, &ours{s.cachex, filepath.Join(s.dir, "cache")},
		&peer{title: squidName, at: address + ":3128", prepare: s.squid, says: []string{"squid", "-v"}},
		&peer{title: mitmproxyName, at: address + ":8081", prepare: s.mitmproxy, says: []string{"mitmdump", "--version"}},
	} {
		if !wanted.MatchString(c.name()) {
			continue
		}
		if err := c.restart(); err != nil {
			missing = append(missing, c.name()+": "+err.Error())
			continue
		}
		list = append(list, c)
	}
	return list, missing
}

// client is this program with a task.
func (s *stage) client(t task, before ...string) *exec.Cmd {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // a task has nothing that JSON lacks
	}
	args := append(before, s.self, "client", string(text))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+s.authority)
	return cmd
}

// limit is no proxy at all.
type limit struct{ stage *stage }

func (*limit) name() string                       { return limitName }
func (*limit) version() string                    { return firstLine("nginx", "-v") }
func (*limit) command(s *stage, t task) *exec.Cmd { return s.client(t) }
func (l *limit) processes(*exec.Cmd) []int        { return tree(l.stage.nginx.Process.Pid) }
func (*limit) restart() error                     { return nil }
func (*limit) close()                             {}

// ours is cachex run around the client, with the cache of a directory.
type ours struct{ program, cache string }

func (*ours) name() string      { return cachexName }
func (o *ours) version() string { return firstLine(o.program, "version") }

func (o *ours) command(s *stage, t task) *exec.Cmd {
	return s.client(t, o.program, "run", "--config", "none", "--report", "none", "--no-record", "--cache", o.cache, "--")
}

// processes is the one that is the proxy. The client is a child of its child.
func (*ours) processes(client *exec.Cmd) []int { return []int{client.Process.Pid} }
func (*ours) restart() error                   { return nil }
func (*ours) close()                           {}

// peer is a proxy that clients are told of, and reach by CONNECT.
type peer struct {
	title, at string
	// prepare gives the command that is the proxy.
	prepare func() (*exec.Cmd, error)
	says    []string
	cmd     *exec.Cmd
}

func (p *peer) name() string    { return p.title }
func (p *peer) version() string { return firstLine(p.says...) }

func (p *peer) command(s *stage, t task) *exec.Cmd {
	t.Proxy = p.at
	return s.client(t)
}

func (p *peer) processes(*exec.Cmd) []int { return tree(p.cmd.Process.Pid) }
func (p *peer) close()                    { end(p.cmd) }

func (p *peer) restart() error {
	end(p.cmd)
	cmd, err := p.prepare()
	if err != nil {
		return err
	}
	p.cmd = cmd
	return begin(cmd, p.at)
}

//go:embed squid.conf
var squidConf string

func (s *stage) squid() (*exec.Cmd, error) {
	if _, err := exec.LookPath("squid"); err != nil {
		return nil, err
	}
	conf, err := s.fill("squid.conf", squidConf)
	if err != nil {
		return nil, err
	}
	for _, d := range []string{"squid", "squid-cache"} {
		dir := filepath.Join(s.dir, d)
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777)); err != nil {
			return nil, err
		}
	}
	for _, args := range [][]string{
		{"/usr/lib/squid/security_file_certgen", "-c", "-s", filepath.Join(s.dir, "squid", "certificates"), "-M", "16MB"},
		{"chown", "-R", "proxy:", filepath.Join(s.dir, "squid"), filepath.Join(s.dir, "squid-cache")},
		{"squid", "-N", "-z", "-f", conf},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
	}
	return exec.Command("squid", "-N", "-f", conf), nil
}

//go:embed mitm.py
var mitmScript []byte

func (s *stage) mitmproxy() (*exec.Cmd, error) {
	if _, err := exec.LookPath("mitmdump"); err != nil {
		return nil, err
	}
	home := filepath.Join(s.dir, "mitm")
	if err := errors.Join(os.RemoveAll(home), os.Mkdir(home, 0o755)); err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(s.authorityKey)
	if err != nil {
		return nil, err
	}
	script := filepath.Join(home, "mitm.py")
	if err := errors.Join(os.WriteFile(filepath.Join(home, "mitmproxy-ca.pem"), authority, 0o600), os.WriteFile(script, mitmScript, 0o644)); err != nil {
		return nil, err
	}
	// It connects to the origin when it has something to ask it for, which is the
	// fastest; and it keeps no list of what went by.
	cmd := exec.Command("mitmdump", "-q", "--listen-host", address, "--listen-port", "8081", "--set", "confdir="+home,
		"--set", "ssl_verify_upstream_trusted_ca="+s.authority, "--set", "connection_strategy=lazy", "-s", script)
	cmd.Env = append(os.Environ(), "BENCH_FILES="+filepath.Join(home, "files"))
	return cmd, nil
}

// firstLine is what a program says of itself.
func firstLine(args ...string) string {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return args[0] + ": " + err.Error()
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return strings.TrimSpace(string(line))
}
