package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cachex/proxy/lock"
	"cachex/proxy/policy"
	"cachex/proxy/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a proxy between a client and an origin, all on loopback. Every name
// leads to the origin; no connection leaves the machine.
type rig struct {
	t      *testing.T
	dir    string
	origin *httptest.Server // TLS, HTTP/1.1 and 2
	plain  *httptest.Server
	proxy  *Proxy
	addr   string
	stop   func()

	mu   sync.Mutex
	dest map[string]netip.AddrPort // by the client's local address
	seen []Exchange
	hits map[string]int // requests that reached the origin, by method and target
}

type rigOptions struct {
	offline bool
	mode    policy.Mode
	dir     string
	noH2    bool
	git     string // of mirrors
	stall   time.Duration
	now     func() time.Time
	near    int64
	secret  string
	lock    *lock.Recorder
	frozen  *lock.File
	rules   policy.Rules

	lower       []string // directories below
	passthrough string   // a pattern
	name        string   // of each address
	client      func(net.Conn) string
	dial        func(ctx context.Context, network, address string) (net.Conn, error) // for what is not HTTP
	reach       Reach
	local       func(netip.AddrPort) []netip.AddrPort
}

func newRig(t *testing.T, origin http.Handler, o rigOptions) *rig {
	t.Helper()
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	r := &rig{t: t, dir: o.dir, dest: map[string]netip.AddrPort{}, hits: map[string]int{}}
	counted := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.hits[req.Method+" "+req.URL.RequestURI()]++
		r.mu.Unlock()
		origin.ServeHTTP(w, req)
	})
	r.origin = httptest.NewUnstartedServer(counted)
	r.origin.EnableHTTP2 = !o.noH2
	r.origin.StartTLS()
	r.plain = httptest.NewServer(counted)
	s, err := store.OpenLayers(o.dir, o.offline, o.lower)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if o.offline {
			t.Errorf("offline, and %s was dialled", address)
		}
		host, port, _ := net.SplitHostPort(address)
		if net.ParseIP(host) == nil {
			address = r.origin.Listener.Addr().String()
			if port == "80" {
				address = r.plain.Listener.Addr().String()
			}
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	up := transport(nil)
	up.DialContext = tolerant(dial)
	up.TLSClientConfig = r.origin.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	up.TLSClientConfig.ServerName = "example.com"
	up.TLSClientConfig.GetClientCertificate = noCertificate
	r.proxy = &Proxy{
		Store: s, Policy: o.mode, Offline: o.offline, Upstream: up, Dial: dial, Stall: o.stall, Now: o.now, Near: o.near, Secret: o.secret,
		Certificate: func(name string) (*tls.Certificate, error) {
			if r.proxy.Passthrough.Match(name, 443) {
				t.Errorf("TLS to %s was opened", name)
			}
			return &r.origin.TLS.Certificates[0], nil
		},
		Destination: r.destination, Client: o.client,
		Record: func(x Exchange) {
			r.mu.Lock()
			r.seen = append(r.seen, x)
			r.mu.Unlock()
		},
	}
	r.proxy.Lock, r.proxy.Frozen, r.proxy.Rules = o.lock, o.frozen, o.rules
	r.proxy.git.mirrors.Git = o.git
	if o.dial != nil {
		r.proxy.Dial = o.dial
	}
	r.proxy.Reach, r.proxy.Local = o.reach, o.local
	if o.name != "" {
		r.proxy.Name = func(netip.Addr) string { return o.name }
	}
	if o.passthrough != "" {
		if r.proxy.Passthrough, err = ParseHosts([]string{o.passthrough}); err != nil {
			t.Fatal(err)
		}
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
		r.origin.Close()
		r.plain.Close()
		s.Close()
	})
	t.Cleanup(r.stop)
	return r
}

// destination is what the kernel tells in a sandbox.
func (r *rig) destination(c net.Conn) (netip.AddrPort, error) {
	for range 1000 {
		r.mu.Lock()
		d, ok := r.dest[c.RemoteAddr().String()]
		delete(r.dest, c.RemoteAddr().String()) // a later client may have that port
		r.mu.Unlock()
		if ok {
			return d, nil
		}
		time.Sleep(time.Millisecond) // the client is about to note it
	}
	return netip.AddrPort{}, os.ErrNotExist
}

// dial connects to the proxy as if to an address of the port.
func (r *rig) dial(ctx context.Context, _, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	r.mu.Lock()
	r.dest[c.LocalAddr().String()] = netip.MustParseAddrPort("198.18.0.1:" + port)
	r.mu.Unlock()
	return c, nil
}

// client is a fresh client: no connection and no cookie is shared with another.
func (r *rig) client(h2 bool) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(h2)
	tr := &http.Transport{
		DialContext: r.dial, Protocols: &protocols, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type answer struct {
	*http.Response
	body string
	err  error
}

// get sends a GET; header is a list of names and values.
func (r *rig) get(url string, header ...string) answer {
	r.t.Helper()
	return r.do(http.MethodGet, url, "", header...)
}

func (r *rig) do(method, url, body string, header ...string) answer {
	r.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := r.client(false).Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp, string(b), err}
}

// want checks status, body and the outcome that was recorded last.
func (r *rig) want(a answer, status int, body string, o Outcome) {
	r.t.Helper()
	if a.err != nil {
		r.t.Fatalf("no answer: %v", a.err)
	}
	if a.StatusCode != status || a.body != body {
		r.t.Errorf("%s: got %d %.80q, want %d %.80q", a.Request.URL, a.StatusCode, a.body, status, body)
	}
	r.wantOutcome(o)
}

func (r *rig) wantOutcome(o Outcome) {
	r.t.Helper()
	x := r.last()
	if x.Outcome != o {
		r.t.Errorf("%s %s: outcome %s (%s), want %s", x.Method, x.URL, x.Outcome, x.Reason, o)
	}
}

// last waits for the record of the request just made: it is written after the
// client has its answer.
func (r *rig) last() Exchange {
	r.t.Helper()
	for range 2000 {
		r.mu.Lock()
		n := len(r.seen)
		if n > 0 {
			x := r.seen[n-1]
			r.seen = slices.Delete(r.seen, 0, n)
			r.mu.Unlock()
			return x
		}
		r.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	r.t.Fatal("no exchange was recorded")
	return Exchange{}
}

func (r *rig) originSaw(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hits[what]
}

// again is a second proxy on the same directory.
func (r *rig) again(origin http.Handler, o rigOptions) *rig {
	r.t.Helper()
	r.stop()
	o.dir = r.dir
	return newRig(r.t, origin, o)
}
