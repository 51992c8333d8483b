//go:build linux

package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The client is a process of its own, the same for all contenders: within the sandbox
// for cachex, and told of the proxy for peers. It is as light as can be, as what it
// takes comes out of everyone's processors and makes the slow look faster than they
// are; that is measured too.

// task is what a client does.
type task struct {
	// Paths are asked for in turn. {i} in one is a number below Files, {p} that of its
	// package, and {n} one that no other request of the client has.
	Paths []string
	// Files is 1 when it is 0. Stride is how far two requests' numbers are from one
	// another, 1 when it is 0.
	Files, Stride int
	// Conns are how many clients work side by side, each on a connection of its own, or
	// over HTTP/2 the streams of one.
	Conns int
	H2    bool
	// Requests is how many there are in all; 0 is as many as Seconds allow.
	Requests int
	Seconds  float64
	// Pace is how many requests a second there are at most; 0 is no limit.
	Pace float64
	// AnewEvery is after how many requests a connection is replaced by a new one; 0 is
	// never. Resume is with the session of the one before.
	AnewEvery int
	Resume    bool
	// Warm asks for each of the files once before the measured time begins.
	Warm bool
	// Idle connections are opened, used once, and held open, before anything is measured.
	Idle int
	// Gate has the client say "ready", and wait for a line, before measured time begins;
	// and stay, with its connections, until standard input ends.
	Gate bool
	// Proxy is the address of a proxy, or "".
	Proxy string
}

// packages are how many folders {p} may stand for.
const packages = 65536

// answer is what a client has measured.
type answer struct {
	Requests int64   `json:"requests"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
	// FirstByte and FirstByte99 are the median and the 99th percentile of the times from
	// a request, on a connection that is there, to the first byte of the answer's body.
	FirstByte   float64 `json:"first_byte_ms"`
	FirstByte99 float64 `json:"first_byte_99_ms"`
	// ClientCPU is the processor time of the client itself, in seconds.
	ClientCPU float64 `json:"client_cpu_seconds"`
	Failed    string  `json:"failed,omitempty"`
}

type client struct {
	task
	tls      *tls.Config
	began    time.Time
	next     atomic.Int64
	requests atomic.Int64
	bytes    atomic.Int64
	mu       sync.Mutex
	waits    []time.Duration
	failed   error
}

// runClient is the program within the program. Its argument is a task as JSON.
func runClient(args []string) error {
	c := &client{}
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &c.task) != nil {
		return errors.New("usage: bench client TASK")
	}
	pem, err := os.ReadFile(os.Getenv("SSL_CERT_FILE"))
	if err != nil {
		return fmt.Errorf("read whom to trust: %w", err)
	}
	// The curves of most clients of today. Go's own first one, which has ML-KEM too,
	// is not known to all contenders, and would cost those more that know it.
	c.tls = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: host, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}}
	if !c.tls.RootCAs.AppendCertsFromPEM(pem) {
		return errors.New("nobody to trust")
	}
	if c.Resume {
		c.tls.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	}
	in := bufio.NewReader(os.Stdin)
	held := c.idle()
	t := c.task
	if c.Warm && c.failed == nil {
		warm := t
		warm.Requests, warm.AnewEvery, warm.Pace = max(c.Files, 1)*len(c.Paths), 0, 0
		c.perform(warm)
	}
	if c.Gate {
		fmt.Println("ready")
		in.ReadString('\n')
	}
	var a answer
	if c.failed == nil {
		a = c.perform(t)
	}
	if c.failed != nil {
		a.Failed = c.failed.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		return err
	}
	if c.Gate {
		io.Copy(io.Discard, in)
	}
	for _, k := range held {
		k.close()
	}
	return nil
}

// perform does a task to its end.
func (c *client) perform(t task) answer {
	c.task = t
	c.Files, c.Stride = max(c.Files, 1), max(c.Stride, 1)
	c.next.Store(0)
	c.requests.Store(0)
	c.bytes.Store(0)
	c.waits = nil
	cpu := ownCPU()
	c.began = time.Now()
	var working sync.WaitGroup
	if c.H2 {
		c.overH2()
	} else {
		for range c.Conns {
			working.Go(c.overH1)
		}
	}
	working.Wait()
	took := time.Since(c.began)
	a := answer{Requests: c.requests.Load(), Bytes: c.bytes.Load(), Seconds: took.Seconds(), ClientCPU: (ownCPU() - cpu).Seconds()}
	slices.Sort(c.waits)
	if n := len(c.waits); n > 0 {
		a.FirstByte, a.FirstByte99 = c.waits[n/2].Seconds()*1e3, c.waits[n*99/100].Seconds()*1e3
	}
	return a
}

// take gives the next path to ask for, and whether there is one.
func (c *client) take() (string, bool) {
	i := int(c.next.Add(1) - 1)
	if c.Requests > 0 && i >= c.Requests || c.Requests == 0 && time.Since(c.began).Seconds() >= c.Seconds {
		return "", false
	}
	if c.Pace > 0 {
		time.Sleep(time.Until(c.began.Add(time.Duration(float64(i) / c.Pace * 1e9))))
	}
	path := c.Paths[i%len(c.Paths)]
	if strings.IndexByte(path, '{') >= 0 {
		path = numbered(path, i/len(c.Paths)*c.Stride%c.Files)
		path = strings.ReplaceAll(path, "{n}", strconv.Itoa(i))
	}
	return path, true
}

// numbered is a path with a file's number in it.
func numbered(path string, i int) string {
	path = strings.ReplaceAll(path, "{p}", strconv.Itoa(i%packages))
	return strings.ReplaceAll(path, "{i}", strconv.Itoa(i))
}

// done counts what one goroutine has done.
func (c *client) done(requests int, bytes int64, waits []time.Duration, err error) {
	c.requests.Add(int64(requests))
	c.bytes.Add(bytes)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = append(c.waits, waits...)
	if c.failed == nil {
		c.failed = err
	}
}

// dial connects to the origin, through the proxy if there is one.
func (c *client) dial() (net.Conn, error) {
	to := host + ":443"
	if c.Proxy != "" {
		to = c.Proxy
	}
	raw, err := net.DialTimeout("tcp", to, 10*time.Second)
	if err != nil || c.Proxy == "" {
		return raw, err
	}
	fmt.Fprintf(raw, "CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n", host, host)
	// The answer is all that comes until a handshake begins.
	b := make([]byte, 1024)
	n := 0
	for !strings.Contains(string(b[:n]), "\r\n\r\n") && n < len(b) {
		more, err := raw.Read(b[n:])
		if n += more; err != nil {
			raw.Close()
			return nil, fmt.Errorf("CONNECT: %w", err)
		}
	}
	if !strings.HasPrefix(string(b[:n]), "HTTP/1.1 200") {
		raw.Close()
		return nil, fmt.Errorf("CONNECT: %q", b[:n])
	}
	return raw, nil
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it does not fail for RUSAGE_SELF
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
