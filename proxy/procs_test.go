package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// workerEnv tells a copy of the test program that it is one of the processes of
// TestKilledProcesses: the directory, the one below it or "-", the origin's address,
// the first document and how many there are.
const workerEnv = "CACHEX_TEST_WORKER"

// workerClients is how many downloads a worker has under way.
const workerClients = 4

// TestKilledProcesses kills processes that fetch into one directory, at any
// moment. The others do not notice, and nothing wrong is left.
func TestKilledProcesses(t *testing.T) {
	if job := os.Getenv(workerEnv); job != "" {
		work(t, job)
		return
	}
	seed := seedOf(t)
	for _, n := range []int{2, 13} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			killProcesses(t, rand.New(rand.NewPCG(seed, uint64(n))), n, soak(t, 300)/30, noLower)
		})
	}
	t.Run("layers", func(t *testing.T) {
		killProcesses(t, rand.New(rand.NewPCG(seed, 0)), 4, soak(t, 300)/30, t.TempDir())
	})
}

// noLower is the directory below of processes without any, belowCount how many of the
// first documents the others have there.
const (
	noLower    = "-"
	belowCount = 30
)

// trickle is an origin of artifacts whose bodies take a moment each.
type trickle struct {
	mu    sync.Mutex
	asked map[string]int
}

func trickled(path string) []byte { return bytesFor(path, 1+len(path)*7919%200_000) }

// ServeHTTP sends an artifact in pieces.
func (o *trickle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.asked[r.URL.Path]++
	o.mu.Unlock()
	body := trickled(r.URL.Path)
	w.Header().Set("Etag", `"fixed"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	for len(body) > 0 {
		n := min(len(body), 30_000)
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		http.NewResponseController(w).Flush()
		body = body[n:]
		select {
		case <-time.After(10 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
}

// worker is one process.
type worker struct {
	cmd    *exec.Cmd
	out    bytes.Buffer
	ended  chan struct{}
	killed bool
}

func startWorker(t *testing.T, dir, lower, origin string, first, count int) *worker {
	t.Helper()
	w := &worker{ended: make(chan struct{})}
	w.cmd = exec.Command(os.Args[0], "-test.run=^TestKilledProcesses$", "-test.timeout=3m")
	w.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s %d %d", workerEnv, dir, lower, origin, first, count), "GORACE=atexit_sleep_ms=0")
	w.cmd.Stdout, w.cmd.Stderr = &w.out, &w.out
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		w.cmd.Wait()
		close(w.ended)
	}()
	return w
}

func (w *worker) running() bool {
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}

// end waits for a worker. What was not killed must have got all its documents.
func (w *worker) end(t *testing.T) {
	t.Helper()
	select {
	case <-w.ended:
	case <-time.After(testPatience):
		w.cmd.Process.Kill()
		<-w.ended
		t.Errorf("a process did not end within %v:\n%s", testPatience, w.out.String())
		return
	}
	if !w.killed && !w.cmd.ProcessState.Success() {
		t.Errorf("a process that was not killed: %v\n%s", w.cmd.ProcessState, w.out.String())
	}
}

func killProcesses(t *testing.T, rng *rand.Rand, processes, kills int, lower string) {
	dir := t.TempDir()
	o := &trickle{asked: map[string]int{}}
	origin := httptest.NewServer(o)
	defer origin.Close()
	const window, step = 20, 4
	below, before := 0, []string(nil)
	if lower != noLower {
		below = belowCount
		startWorker(t, lower, noLower, origin.Listener.Addr().String(), 0, below).end(t)
		before = timesIn(t, lower)
	}
	start := func(n int) *worker {
		return startWorker(t, dir, lower, origin.Listener.Addr().String(), n*step, window)
	}
	var workers []*worker
	for range processes {
		workers = append(workers, start(0))
	}
	killed, peak, turn := 0, 0, 0
	for ; killed < kills && turn < 20*kills; turn++ {
		time.Sleep(time.Duration(rng.IntN(120)) * time.Millisecond)
		i := rng.IntN(len(workers))
		w := workers[i]
		if w.running() {
			w.killed = true
			w.cmd.Process.Kill()
			killed++
		}
		w.end(t)
		left, _ := os.ReadDir(filepath.Join(dir, ".cachex/tmp"))
		peak = max(peak, len(left))
		workers[i] = start(turn + 1)
	}
	for _, w := range workers {
		w.end(t)
	}
	// A new process gets everything, whatever locks were left.
	all := turn*step + window
	startWorker(t, dir, lower, origin.Listener.Addr().String(), 0, all).end(t)

	extra := 0
	for _, n := range o.asked {
		extra += n - 1
	}
	if extra > killed*workerClients {
		t.Errorf("%d artifacts were fetched %d times too often; %d kills explain %d", len(o.asked), extra, killed, killed*workerClients)
	}
	kept := checkFiles(t, dir, func(k store.Key, body []byte) bool { return bytes.Equal(body, trickled(k.Target)) })
	if kept != all-below {
		t.Errorf("%d files, want %d", kept, all-below)
	}
	if lower != noLower && !slices.Equal(before, timesIn(t, lower)) {
		t.Error("the directory below has changed")
	}
	sweepAged(t, dir)
	nothingLeft(t, dir)
	t.Logf("%d processes, %d kills, %d artifacts, %d fetched again, at most %d temporary files", processes, killed, all, extra, peak)
}

// timesIn lists all that a directory has, and when it was changed.
func timesIn(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		all = append(all, fmt.Sprint(name, fi.ModTime().UnixNano()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sweepAged opens the directory when what the killed left is two days old.
func sweepAged(t *testing.T, dir string) {
	t.Helper()
	tmp := filepath.Join(dir, ".cachex/tmp")
	left, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-48 * time.Hour)
	for _, e := range left {
		if err := os.Chtimes(filepath.Join(tmp, e.Name()), old, old); err != nil {
			t.Error(err)
		}
	}
	s, err := store.Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// work is what a worker does: its documents through a proxy of its own, in an
// order of its own.
func work(t *testing.T, job string) {
	var dir, lower, origin string
	var first, count int
	if _, err := fmt.Sscan(job, &dir, &lower, &origin, &first, &count); err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, origin)
	}
	var lowers []string
	if lower != noLower {
		lowers = []string{lower}
	}
	h := newHouse(t, dial, dir, policy.Artifacts, false, lowers...)
	defer h.stop()
	paths := make(chan string)
	var wg sync.WaitGroup
	for i := range workerClients {
		wg.Go(func() {
			c := h.client(i%2 == 0)
			for path := range paths {
				if err := fetchOne(c, "http://registry.example"+path, trickled(path)); err != nil {
					t.Errorf("%s: %v; recorded: %s", path, err, h.said(path))
				}
			}
		})
	}
	for _, i := range rand.Perm(count) {
		paths <- fmt.Sprintf("/pkg/-/pkg-1.%d.0.tgz", first+i)
	}
	close(paths)
	wg.Wait()
}

// said is what a proxy recorded of a URL.
func (r *rig) said(path string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var said []string
	for _, x := range r.seen {
		if strings.HasSuffix(x.URL, path) {
			said = append(said, fmt.Sprintf("%s %s (%s) %d", x.Method, x.Outcome, x.Reason, x.Bytes))
		}
	}
	return strings.Join(said[max(0, len(said)-5):], "; ")
}

// fetchOne gets a document that can be had, and compares it.
func fetchOne(c *http.Client, url string, want []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %.200s", resp.Status, body)
	case !bytes.Equal(body, want):
		return fmt.Errorf("%d wrong bytes", len(body))
	}
	return nil
}
