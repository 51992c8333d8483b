package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"cachex/proxy/policy"
)

// Outcome is one word for what became of a request.
type Outcome string

// The outcomes. Their words are part of the report's format.
const (
	Hit         Outcome = "hit"         // from the store
	Revalidated Outcome = "revalidated" // from the store, after a 304
	Stale       Outcome = "stale"       // from the store, as upstream failed
	Miss        Outcome = "miss"        // from upstream, and kept
	Pass        Outcome = "pass"        // from upstream, not kept
	Tunnel      Outcome = "tunnel"      // bytes that are not HTTP
	Refused     Outcome = "refused"     // offline or denied
	Error       Outcome = "error"       // upstream failed
)

// Exchange is what happened to one request. It holds no secrets.
type Exchange struct {
	Method  string
	URL     string // without password, tokens and signatures
	Outcome Outcome
	Reason  string
	Cause   Cause  // the same for programs, of what was not answered from the store
	Status  int    // 0 when no answer was sent
	Bytes   int64  // of the body, to the client
	Network int64  // of the body, from upstream
	SHA256  string // of the whole body, hexadecimal; "" when not known
	Start   time.Time
	Took    time.Duration
	// Saved is how much longer the answer took when it was fetched.
	Saved time.Duration
	// Wait is how long the first byte of an answer from upstream took; 0 where
	// none came from there.
	Wait time.Duration
	// Type is the media type of the answer, without parameters; "" when it has none.
	Type string
	// Expected is the digest that the lock names, where another one, SHA256, was
	// refused.
	Expected string
	// Accept is the request's field of that name where the answer depends on it.
	Accept string
	// Obstacle is why the host's TLS could not be opened; "" when it could.
	Obstacle Obstacle
	// Client is the program that sent the request, "" when not known. It is
	// known only where there is an Obstacle.
	Client string
}

// exchange is an Exchange in the making.
type exchange struct {
	p       *Proxy
	ex      Exchange
	bytes   int64
	network int64
	header  http.Header   // of the answer
	fetched time.Duration // what the answer cost when it was fetched
	late    bool          // it is not over when it is finished: see gate
	over    bool
	rule    string // which rules matched, "" for none
	lively  lively
}

func (p *Proxy) begin(method, rawURL string) *exchange {
	x := &exchange{p: p, ex: Exchange{Method: method, URL: rawURL, Start: p.now()}}
	x.lively.method, x.lively.url, x.lively.start = method, rawURL, x.ex.Start
	p.live.add(&x.lively)
	return x
}

func (p *Proxy) beginURL(method string, u *url.URL) *exchange {
	return p.begin(method, policy.Unsigned(u).String())
}

func (x *exchange) finish(o Outcome, reason string, status int) {
	x.ex.Outcome, x.ex.Reason, x.ex.Status = o, reason, status
	x.ex.Bytes, x.ex.Network = x.bytes, x.network
	x.ex.Took = x.p.now().Sub(x.ex.Start)
	x.ex.Cause = x.cause(o, reason)
	if x.rule != "" && x.ex.Cause != CauseDenied && x.ex.Cause != CauseFrozen { // no rule has a say in those
		x.ex.Reason = x.rule + ": " + reason
	}
	if o != Refused && o != Error && x.header != nil {
		kind, _, _ := strings.Cut(x.header.Get("Content-Type"), ";")
		x.ex.Type = strings.ToLower(strings.TrimSpace(kind))
	}
	if o == Hit || o == Revalidated || o == Stale {
		x.ex.Saved = max(0, x.fetched-x.ex.Took)
	}
	if (o == Error || refusesClient(status)) && x.ex.Obstacle == "" {
		x.ex.Obstacle = x.p.obstacleOf(x.ex.URL)
	}
	x.over = true
	x.record()
}

// begun notes that upstream's answer has come.
func (x *exchange) begun() {
	if x.ex.Wait == 0 {
		x.ex.Wait = x.p.now().Sub(x.ex.Start)
	}
}

// record tells of an exchange that is over.
func (x *exchange) record() {
	if !x.over || x.late {
		return
	}
	x.p.live.remove(&x.lively)
	if x.p.Record != nil {
		x.p.Record(x.ex)
	}
}
