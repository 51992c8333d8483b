package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"cachex/ca"
	"cachex/proxy"
	"cachex/proxy/lock"
	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// Filling a cache: a proxy as a run's, and a client of it in the same process that
// asks for one thing after another and looks at nothing.

// fillers is how many requests are on their way at once: servers should not notice
// that nobody waits for what is asked for.
const fillers = 4

// filled is what became of an item.
type filled struct {
	here  bool // it was in the cache
	bytes int64
	err   error
}

// filler asks for items.
type filler struct {
	client *http.Client
	named  *lock.File // nil without
	rules  policy.Rules

	mu      sync.Mutex
	reasons map[string]proxy.Exchange // the last by method and URL
	tokens  map[string]string         // by the URL that gives them
}

// fillCache asks for all items. done is told of each, one at a time.
func fillCache(s *store.Store, rules policy.Rules, named *lock.File, items []fillItem, done func(fillItem, filled)) error {
	authority, err := ca.New(time.Now())
	if err != nil {
		return fmt.Errorf("make a certificate authority: %w", err)
	}
	f := &filler{named: named, rules: rules, reasons: map[string]proxy.Exchange{}, tokens: map[string]string{}}
	roots := sync.OnceValues(func() (*x509.CertPool, error) { return ca.Roots(os.Environ()) })
	p := &proxy.Proxy{
		Store: s, Rules: rules, Frozen: named, Upstream: proxy.NewTransport(roots), Connect: proxy.NewConnect(roots), Roots: roots,
		Certificate: authority.Certificate, Record: f.record,
		Destination: func(net.Conn) (netip.AddrPort, error) { return netip.AddrPort{}, nil }, // each request says it
	}
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { p.Serve(ctx, []net.Listener{l}) })
	defer serving.Wait()
	defer cancel()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority.PEM())
	transport := &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "cachex"}), DialContext: l.dial,
		TLSClientConfig: &tls.Config{RootCAs: pool}, DisableCompression: true, MaxIdleConnsPerHost: fillers,
	}
	defer transport.CloseIdleConnections()
	f.client = &http.Client{Transport: transport, CheckRedirect: f.follows}
	// Redirects first: what they lead to may be had by their signature alone.
	f.askAll(slices.DeleteFunc(slices.Clone(items), func(it fillItem) bool { return !it.redirect }), done)
	f.askAll(slices.DeleteFunc(slices.Clone(items), func(it fillItem) bool { return it.redirect }), done)
	return nil
}

// askAll asks for several items at a time.
func (f *filler) askAll(items []fillItem, done func(fillItem, filled)) {
	work := make(chan fillItem)
	var asking sync.WaitGroup
	var telling sync.Mutex
	for range fillers {
		asking.Go(func() {
			for it := range work {
				x := f.ask(it)
				telling.Lock()
				done(it, x)
				telling.Unlock()
			}
		})
	}
	for _, it := range items {
		work <- it
	}
	close(work)
	asking.Wait()
}

// follows ends a chain of redirects that leads to what a lock does not name: the
// redirect itself is what was to be fetched.
func (f *filler) follows(r *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return http.ErrUseLastResponse
	}
	if f.named == nil {
		return nil
	}
	n := lock.Name{Method: r.Method, URL: lock.Clean(proxy.KeyOf(f.rules, r.URL).URL(r.URL.Scheme))}
	if l, ok := f.named.Find(n, func(map[string]string) bool { return true }); !ok || l.Soft {
		return http.ErrUseLastResponse
	}
	return nil
}

func (f *filler) record(x proxy.Exchange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reasons[x.Method+" "+x.URL] = x
}

// reason takes what was recorded of a request.
func (f *filler) reason(method, url string) (proxy.Exchange, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, ok := f.reasons[method+" "+url]
	delete(f.reasons, method+" "+url)
	return x, ok
}

// ask asks for an item, and follows where it leads.
func (f *filler) ask(it fillItem) filled {
	switch {
	case it.git:
		return filled{err: errors.New("what is asked of git is not in a lock; run the command once")}
	case it.method != http.MethodGet && it.method != http.MethodHead:
		return filled{err: errors.New("only what GET and HEAD ask for can be fetched")}
	}
	r, err := http.NewRequest(it.method, it.url, nil)
	if err != nil {
		return filled{err: err}
	}
	r.Header = it.header.Clone()
	ruling := proxy.RulingOf(f.rules, r.URL)
	if ruling.Pass {
		return filled{err: errors.New(ruling.Reason + ": not to be kept")}
	}
	if it.auth && len(ruling.Header) == 0 {
		token, err := f.token(it.url)
		if err != nil {
			return filled{err: err}
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("User-Agent", "cachex/"+version())
	resp, err := f.client.Do(r)
	if err != nil {
		return filled{err: f.explain(it, err)}
	}
	n, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	last := proxy.KeptURL(f.rules, resp.Request.URL).String()
	switch {
	case err != nil:
		return filled{err: f.explain(fillItem{method: it.method, url: last}, err)}
	case resp.Header.Get("X-Cachex") != "" || f.named == nil && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden):
		return filled{err: f.explain(fillItem{method: it.method, url: last}, errors.New(resp.Status))}
	}
	return filled{bytes: n, here: strings.Contains(resp.Header.Get("Cache-Status"), "cachex; hit")}
}

// explain prefers what the proxy has recorded to what the client could see of it.
// That is recorded when the client has seen it, or a moment later.
func (f *filler) explain(it fillItem, err error) error {
	for range 100 {
		if x, ok := f.reason(it.method, it.url); ok {
			if x.Outcome == proxy.Refused || x.Outcome == proxy.Error {
				return errors.New(x.Reason)
			}
			break
		}
		time.Sleep(time.Millisecond)
	}
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// token gets one that a registry gives to everybody, from where the lock says that
// the run has got it.
func (f *filler) token(item string) (string, error) {
	none := errors.New("it was asked for with credentials, which are not in a lock")
	u, err := url.Parse(item)
	repository, ok := repositoryOf(u)
	if err != nil || !ok || f.named == nil {
		return "", none
	}
	for _, l := range f.named.Lines() {
		at, err := url.Parse(l.URL)
		if err != nil || !l.Soft || l.Method != http.MethodGet || !strings.Contains(at.Query().Get("scope"), "repository:"+repository+":") {
			continue
		}
		f.mu.Lock()
		token := f.tokens[l.URL]
		f.mu.Unlock()
		if token != "" {
			return token, nil
		}
		resp, err := f.client.Get(l.URL)
		if err != nil {
			return "", err
		}
		var answer struct {
			Token       string `json:"token"`
			AccessToken string `json:"access_token"`
		}
		err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer)
		resp.Body.Close()
		if token = answer.Token; token == "" {
			token = answer.AccessToken
		}
		if err != nil || token == "" {
			return "", none
		}
		f.mu.Lock()
		f.tokens[l.URL] = token
		f.mu.Unlock()
		return token, nil
	}
	return "", none
}

// repositoryOf is the NAME in /v2/NAME/manifests/… (OCI distribution specification).
func repositoryOf(u *url.URL) (string, bool) {
	rest, ok := strings.CutPrefix(u.Path, "/v2/")
	for _, kind := range []string{"/manifests/", "/blobs/"} {
		if name, _, found := strings.Cut(rest, kind); found && ok {
			return name, true
		}
	}
	return "", false
}

// itemOf is the request that a line is about.
func itemOf(l lock.Line) fillItem {
	it := fillItem{method: l.Method, url: l.URL, header: http.Header{}, auth: l.Auth, redirect: l.To != ""}
	for name, value := range l.Fields {
		it.header.Set(name, value)
	}
	switch label := l.As; {
	case label == "npm.install-v1":
		it.header.Set("Accept", "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*")
	case strings.HasPrefix(label, "pypi.simple."):
		it.header.Set("Accept", "application/vnd."+label+"+json, text/html; q=0.01")
	case strings.HasPrefix(label, "git-"):
		it.header.Set("Git-Protocol", strings.TrimPrefix(label, "git-"))
	}
	it.git = l.Method == http.MethodPost && strings.Contains(l.As, "post-")
	return it
}

// pipes is a listener for connections within the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept returns the next connection.
func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept fail.
func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is of no use to anyone.
func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
