package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// testPatience is how long any client waits before the answer counts as lost. It is
// far more than what a machine under load needs.
const testPatience = 2 * time.Minute

// modelStall is how long the proxies of the model wait for a body that sends
// nothing.
const modelStall = time.Second

// modelNear makes most of the model's documents large files, of which parts are
// fetched and kept.
const modelNear = 50_000

// soak is how many operations the randomised tests do; CACHEX_SOAK asks for
// more than the few that fit into an ordinary run.
func soak(t *testing.T, ordinary int) int {
	t.Helper()
	v := os.Getenv("CACHEX_SOAK")
	if v == "" {
		return ordinary
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("CACHEX_SOAK: %v", err)
	}
	return n
}

// seedOf is CACHEX_SEED, or another seed each time. It is printed: what fails
// can be done again.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64N(1 << 32)
	if v := os.Getenv("CACHEX_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("CACHEX_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("CACHEX_SEED=%d", seed)
	return seed
}

// model compares what clients get with what the origin holds.
type model struct {
	t      *testing.T
	seed   uint64
	mode   policy.Mode
	dir    string
	origin *badOrigin
	houses []*rig // the last one is offline

	// Set between rounds, when nobody does anything.
	round int
	calm  bool      // nothing is injected
	since time.Time // the beginning of the round

	mu       sync.Mutex
	clients  map[string]*http.Client
	verdicts map[verdict]int
	wrong    int
}

// TestModel lets clients of all kinds ask two proxies and an offline one, which
// share a directory, for what a bad origin holds. They get a version that the
// origin held, byte for byte, or see that they did not.
func TestModel(t *testing.T) {
	for _, mode := range []policy.Mode{policy.Artifacts, policy.RFC9111} {
		t.Run(string(mode), func(t *testing.T) {
			m := newModel(t, mode)
			ops := soak(t, 500) / 2
			rng := rand.New(rand.NewPCG(m.seed, 2))
			for done := 0; done < ops && m.wrong < 10; {
				done += m.doRound(rng)
			}
			for _, h := range m.houses {
				h.stop()
			}
			m.checkDirectory()
			t.Logf("%d rounds, faults injected:\n%s\nanswers:\n%s", m.round, m.origin.table(), m.account())
		})
	}
}

func newModel(t *testing.T, mode policy.Mode) *model {
	m := &model{
		t: t, seed: seedOf(t), mode: mode, dir: t.TempDir(),
		clients: map[string]*http.Client{}, verdicts: map[verdict]int{},
	}
	m.origin = newBadOrigin(t, m.seed, 40)
	for range 3 {
		m.houses = append(m.houses, nil)
	}
	for i := range m.houses {
		m.open(i)
	}
	t.Cleanup(func() {
		for _, h := range m.houses {
			h.stop()
		}
	})
	return m
}

// doRound lets some clients do something at once, and waits for all.
func (m *model) doRound(rng *rand.Rand) int {
	m.round++
	m.calm = rng.IntN(3) == 0
	m.origin.storm.Store(int64(rng.IntN(60)))
	if m.calm {
		m.origin.storm.Store(0)
	}
	m.origin.refuse.Store(0)
	m.origin.alert.Store(0)
	documents := m.origin.list()
	for range rng.IntN(8) {
		documents[rng.IntN(len(documents))].change()
	}
	if i := rng.IntN(20 * len(m.houses)); i < len(m.houses) {
		m.houses[i].stop()
		m.open(i)
	}
	// Few documents, so that clients meet.
	rng.Shuffle(len(documents), func(i, j int) { documents[i], documents[j] = documents[j], documents[i] })
	documents = documents[:2+rng.IntN(6)]
	m.since = time.Now()
	ops := make([]op, 10+rng.IntN(20))
	for i := range ops {
		ops[i] = newOp(rng, documents, len(m.houses))
	}
	next := make(chan op)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for o := range next {
				m.run(o)
			}
		})
	}
	for i, o := range ops {
		if i%7 == 6 && !m.calm {
			o.d.change()
		}
		next <- o
	}
	close(next)
	wg.Wait()
	m.settle()
	return len(ops)
}

// settle waits until no fetch is under way.
func (m *model) settle() {
	deadline := time.Now().Add(testPatience)
	for {
		busy := int(m.origin.busy.Load())
		for _, h := range m.houses {
			busy += h.proxy.flights.len()
		}
		if busy == 0 {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("seed %d, round %d: %d fetches do not end\n%s", m.seed, m.round, busy, goroutines())
		}
		time.Sleep(time.Millisecond)
	}
}

func (fs *flights) len() int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return len(fs.byKey)
}

// notLate fails the test at once, with all goroutines, when an answer never
// came.
func (m *model) notLate(ctx context.Context, o op, err error) {
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		m.t.Errorf("seed %d, round %d: no end after %v: %s\n%s", m.seed, m.round, testPatience, o, goroutines())
	}
}

func goroutines() string {
	var b bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&b, 1)
	return b.String()
}

func (m *model) account() string {
	var lines []string
	for v, n := range m.verdicts {
		lines = append(lines, fmt.Sprintf("%6d  %s", n, v))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (m *model) house(o op) *rig { return m.houses[o.house] }

// client is the one of its kind; its connections are used again.
func (m *model) client(o op) *http.Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := fmt.Sprint(m.house(o).addr, o.h2)
	c, ok := m.clients[id]
	if !ok {
		c = m.house(o).client(o.h2)
		m.clients[id] = c
	}
	return c
}

// open starts one of the proxies, each as if in a process of its own.
func (m *model) open(i int) {
	offline := i == len(m.houses)-1
	m.houses[i] = newHouse(m.t, m.origin.dial, m.dir, m.mode, offline)
}

// newHouse is a rig whose origin is somewhere else.
func newHouse(t *testing.T, dial func(ctx context.Context, network, address string) (net.Conn, error), dir string, mode policy.Mode, offline bool, lower ...string) *rig {
	t.Helper()
	s, err := store.OpenLayers(dir, offline, lower)
	if err != nil {
		t.Fatal(err)
	}
	if offline {
		dial = func(_ context.Context, _, address string) (net.Conn, error) {
			t.Errorf("offline, and %s was dialled", address)
			return nil, os.ErrPermission
		}
	}
	up := transport(nil)
	up.DialContext = tolerant(dial)
	up.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	r := &rig{t: t, dir: dir, dest: map[string]netip.AddrPort{}, hits: map[string]int{}}
	r.proxy = &Proxy{
		Store: s, Policy: mode, Offline: offline, Upstream: up, Dial: dial, Stall: modelStall,
		Near:        modelNear,
		Certificate: func(string) (*tls.Certificate, error) { return testCertificate(), nil },
		Destination: r.destination,
		Record: func(x Exchange) {
			r.mu.Lock()
			r.seen = append(r.seen[max(0, len(r.seen)-100):], x)
			r.hits[string(x.Outcome)]++
			r.mu.Unlock()
		},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.proxy.Serve(ctx, []net.Listener{l}) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		up.CloseIdleConnections()
		s.Close()
	})
	return r
}
