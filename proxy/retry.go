package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"cachex/proxy/policy"
)

// Requests that only read are sent again when they fail for a reason that may
// pass. Clients see one answer, a little later.
const (
	// maxTries is how often a request is sent. With the waits below a network
	// that is away costs about two seconds a document.
	maxTries = 4
	// maxTriesBeforeStale: a kept answer may stand in, which is better than to wait.
	maxTriesBeforeStale = 2
	// firstWait and each next one, four times as long, are how long it waits
	// before sending again; each is varied by a half.
	firstWait = 100 * time.Millisecond
	// maxRetryAfter is the longest Retry-After that is waited for. The client
	// knows better what to do about a longer one, and gets the answer.
	maxRetryAfter = 5 * time.Second
	// stallTimeout is how long a body may send nothing before the connection
	// counts as broken and is taken up by another one. Clients give up after 15
	// seconds (pip), 30 (apt, cargo) or minutes.
	stallTimeout = 20 * time.Second
	// patience is how many times longer that is for a body that could only be
	// fetched from its beginning: its server may just be slow.
	patience = 12
	// downFor is how long a host that failed every try gets one try alone: a
	// build with a hundred documents must not wait for each.
	downFor = 10 * time.Second
)

// down remembers the hosts that failed lately.
type down struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (d *down) tries(host string, now time.Time, tries int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.until[host]) {
		return 1
	}
	return tries
}

func (d *down) note(host string, now time.Time, failed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !failed {
		delete(d.until, host)
		return
	}
	if d.until == nil {
		d.until = map[string]time.Time{}
	}
	d.until[host] = now.Add(downFor)
}

// fetch sends a request that only reads, up to so many times. The body of the
// answer fails when it stalls.
func (p *Proxy) fetch(req *http.Request, tries int) (*http.Response, error) {
	host, at := req.URL.Host, stageOf(req.Context())
	tries = p.down.tries(host, p.now(), tries)
	wait := firstWait
	for try := 1; ; try++ {
		at.set("waits for the server's answer%s", ofTries(try))
		resp, err := p.send(req)
		at.words.Store(&beginning)
		pause := wait/2 + rand.N(wait)
		again := err != nil && mayPass(req.Context(), err)
		if err == nil && p.Policy.Retries(resp.StatusCode) {
			after := policy.RetryAfter(resp.Header, p.now())
			again, pause = after <= maxRetryAfter, max(pause, after)
		}
		if !again || try >= tries {
			if !again || try > 1 { // one failure alone says nothing new
				p.down.note(host, p.now(), again)
			}
			return resp, err
		}
		if err == nil {
			resp.Body.Close()
		}
		at.set("waits %v before it is asked for again: %s", pause.Round(100*time.Millisecond), failure(resp, err))
		select {
		case <-time.After(pause):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
		wait *= 4
	}
}

func ofTries(try int) string {
	if try == 1 {
		return ""
	}
	return fmt.Sprintf(", asked %d times", try)
}

// send sends a request once.
func (p *Proxy) send(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	r := req.WithContext(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			cancel()
			return nil, err
		}
		r.Body = body
	}
	resp, err := p.roundTrip(r)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = newGuarded(resp.Body, cancel, p.stall())
	return resp, nil
}

// roundTrip sends a request. net/http reads statuses such as 000 and "-00", and
// panics when it is to write them.
func (p *Proxy) roundTrip(r *http.Request) (*http.Response, error) {
	if p.deniedURL(r.URL) != "" {
		return nil, errDenied // its own requests ask no more than the build may
	}
	resp, err := p.Upstream.RoundTrip(p.noticeAsking(p.addFields(r)))
	p.noticeRefusal(r, resp, err)
	if err == nil && resp.StatusCode < 100 {
		resp.Body.Close()
		return nil, fmt.Errorf("upstream sent the status %q", resp.Status)
	}
	return resp, err
}

func (p *Proxy) stall() time.Duration {
	if p.Stall > 0 {
		return p.Stall
	}
	return stallTimeout
}

// mayPass tells whether an error may be gone the next time. What the other side
// is, and whether a name exists, does not change so soon.
func mayPass(ctx context.Context, err error) bool {
	var unknown *net.DNSError
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var op *net.OpError
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return false
	case errors.As(err, &unknown) && unknown.IsNotFound:
		return false
	case errors.As(err, &verification), errors.As(err, &authority), refusedByAlert(err), errors.Is(err, errDenied):
		return false
	case errors.As(err, &op):
		return true
	}
	// A server that has taken the request and is silent for minutes: the
	// client has no patience left either.
	return !errors.As(err, &timeout) || !timeout.Timeout()
}

// errStalled ends a body that sends nothing any more.
type errStalled struct{ after time.Duration }

func (e errStalled) Error() string { return fmt.Sprintf("upstream sent nothing for %v", e.after) }
func (errStalled) Timeout() bool   { return true }
func (errStalled) Temporary() bool { return true }

// guarded is a body that fails when nothing comes, while it is being read, for
// a time. It ends its request when it is closed.
type guarded struct {
	io.ReadCloser
	cancel context.CancelFunc
	after  time.Duration
	timer  *time.Timer

	mu      sync.Mutex
	stalled bool
}

func newGuarded(body io.ReadCloser, cancel context.CancelFunc, after time.Duration) *guarded {
	g := &guarded{ReadCloser: body, cancel: cancel, after: after}
	g.timer = time.AfterFunc(after, func() {
		g.mu.Lock()
		g.stalled = true
		g.mu.Unlock()
		cancel()
	})
	g.timer.Stop()
	return g
}

// Read waits for bytes, but not for ever.
func (g *guarded) Read(b []byte) (int, error) {
	g.timer.Reset(g.after)
	n, err := g.ReadCloser.Read(b)
	g.timer.Stop()
	if err == nil || err == io.EOF {
		return n, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stalled {
		err = errStalled{g.after}
	}
	return n, err
}

// Close ends the request.
func (g *guarded) Close() error {
	err := g.ReadCloser.Close()
	g.timer.Stop()
	g.cancel()
	return err
}

// reading is p's Upstream for requests that are passed on: those that only
// read are sent again when they fail, others never.
type reading struct {
	p *Proxy
}

// RoundTrip sends a request on.
func (t reading) RoundTrip(r *http.Request) (*http.Response, error) {
	readOnly := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !readOnly || r.Body != nil && r.Body != http.NoBody || r.Header.Get("Upgrade") != "" {
		return t.p.roundTrip(r)
	}
	resp, err := t.p.fetch(r, maxTries)
	unguard(resp)
	return resp, err
}

// unguard lets a body that is passed on be silent for as long as it likes.
func unguard(resp *http.Response) {
	if g, ok := bodyOf(resp); ok {
		g.after = 1<<63 - 1
	}
}

func bodyOf(resp *http.Response) (*guarded, bool) {
	if resp == nil {
		return nil, false
	}
	g, ok := resp.Body.(*guarded)
	return g, ok
}
