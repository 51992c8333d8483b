//go:build linux

package main

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"text/template"
	"time"
)

// The origin, which is there in the namespace alone. Its address is not a loopback one:
// those are a sandbox's own.
const (
	host    = "registry.example"
	address = "198.51.100.1" // RFC 5737
	counts  = "127.0.0.1:8080"
)

// many are the distinct small files of the origin.
const many = 2000

// stage is the namespace with the origin in it, and what contenders share.
type stage struct {
	dir string
	// cachex is a copy of the program that is measured, and self this program.
	cachex, self string
	// authority is the file of the certificate that all trust; authorityKey has its
	// key as well, for those that make certificates.
	authority, authorityKey string
	nginx                   *exec.Cmd
	nonces                  int
}

//go:embed nginx.conf
var nginxConf string

// newStage furnishes the namespaces and starts the origin.
func newStage(dir, cachex string) (*stage, error) {
	s := &stage{dir: dir, cachex: filepath.Join(dir, "cachex"), self: filepath.Join(dir, "bench")}
	if err := furnish(filepath.Join(dir, "hosts")); err != nil {
		return nil, err
	}
	// Copies, as an ordinary user runs them too, and a build may replace them.
	if err := errors.Join(copyProgram(cachex, s.cachex), copyProgram("/proc/self/exe", s.self)); err != nil {
		return nil, err
	}
	if err := s.certificates(); err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	if err := s.files(); err != nil {
		return nil, fmt.Errorf("make the origin's files: %w", err)
	}
	conf, err := s.fill("nginx.conf", nginxConf)
	if err != nil {
		return nil, err
	}
	s.nginx = exec.Command("nginx", "-p", dir, "-c", conf, "-e", filepath.Join(dir, "nginx.log"))
	return s, begin(s.nginx, address+":443")
}

func (s *stage) close() { end(s.nginx) }

func copyProgram(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy the program: %w", err)
	}
	return os.WriteFile(to, b, 0o755)
}

// files makes what the origin has: noise, which nobody can compress, nor a file system
// leave out.
func (s *stage) files() error {
	noise := make([]byte, 1<<20)
	rand.Read(noise) // it never fails
	sizes := map[string]int{"index/4k.json": 4 << 10}
	for name, size := range map[string]int{"1k": 1 << 10, "4k": 4 << 10, "16k": 16 << 10, "1m": 1 << 20, "16m": 16 << 20, "128m": 128 << 20, "1g": 1 << 30} {
		sizes["files/"+name+"-1.0.0.tgz"] = size
	}
	for i := range many {
		sizes[numbered(poolPath, i)] = 4 << 10
	}
	for name, size := range sizes {
		if err := writeFile(filepath.Join(s.dir, "www", name), noise, size); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, noise []byte, size int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for left := size; left > 0 && err == nil; left -= len(noise) {
		_, err = f.Write(noise[:min(left, len(noise))])
	}
	return errors.Join(err, f.Close())
}

// fill writes a configuration, and gives the file's name.
func (s *stage) fill(name, text string) (string, error) {
	t, err := template.New(name).Parse(text)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]string{
		"Dir": s.dir, "Host": host, "Address": address, "Counts": counts, "Authority": s.authority, "Key": s.authorityKey,
	}); err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, b.Bytes(), 0o644)
}

// nonce is a word that no load has used before, for URLs that nobody has yet.
func (s *stage) nonce() string {
	s.nonces++
	return "n" + strconv.Itoa(s.nonces)
}

// requests is how many the origin has had, this one among them.
func (s *stage) requests() (int64, error) {
	resp, err := http.Get("http://" + counts + "/")
	if err != nil {
		return 0, fmt.Errorf("count the origin's requests: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`\n +\d+ \d+ (\d+)`).FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("count the origin's requests: %q", text)
	}
	return strconv.ParseInt(string(m[1]), 10, 64)
}

// begin starts a server, and waits until it listens.
func begin(cmd *exec.Cmd, at string) error {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	withParent(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	for range 300 {
		c, err := net.Dial("tcp", at)
		if err == nil {
			return c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	end(cmd)
	return fmt.Errorf("%s does not listen: %s", cmd.Path, said.String())
}

// end ends a server that begin has started, kindly for ten seconds.
func end(cmd *exec.Cmd) {
	if cmd == nil || cmd.Process == nil || cmd.ProcessState != nil {
		return
	}
	cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
	cmd.Wait()
	late.Stop()
}
