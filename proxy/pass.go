package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// flushInterval is how long bytes of an answer of known length may wait for
// more. Others are sent at once. A short answer then is one piece, as it came:
// curl 7.88 hangs when the answer to an upload that nobody reads any more comes
// in several (HTTP/2, END_STREAM apart from the last bytes).
const flushInterval = 10 * time.Millisecond

// pass sends a request on as it is and the answer back as it comes.
func (p *Proxy) pass(w http.ResponseWriter, q *query, reason string) {
	x := q.x
	if p.refuseUnnamed(w, q) {
		return
	}
	if p.Offline {
		p.refuse(w, q, "offline: "+reason)
		return
	}
	status, outcome := 0, Pass
	at := &x.lively.stage
	at.leave()
	at.set("waits for the server's answer")
	sent := store.Meta{URL: q.key.URL(q.url.Scheme), Requested: p.now()}
	body := &meter{}
	rp := httputil.ReverseProxy{
		Transport:     reading{p},
		FlushInterval: flushInterval,
		ErrorLog:      p.server.ErrorLog,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL = q.url
			pr.Out.Host = q.r.Host
			if q.terms.Mode == policy.RFC9111 {
				pr.Out.Header.Add("Via", "1.1 cachex")
			}
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if v, ok := pr.In.Header[name]; ok {
					pr.Out.Header[name] = v
				}
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			status = resp.StatusCode
			x.begun()
			resp.Header.Del("Alt-Svc")
			at.set("is passed on as it comes: %s", resp.Status)
			if resp.StatusCode != http.StatusSwitchingProtocols {
				p.noteCookies(q.r.Method, q.url, q.r.Header, resp.Header)
				p.invalidate(q, resp)
				p.keepPosted(q, resp, sent)
				body.r = resp.Body
				resp.Body = body
				mark(resp.Header, passStatus(q.r.Method))
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			outcome, reason = Error, err.Error()
			status = upstreamError(w, q, err)
		},
	}
	defer func() {
		x.bytes, x.network = body.n, body.n
		x.finish(outcome, reason, status)
	}()
	rp.ServeHTTP(w, q.r.WithContext(withStage(q.r.Context(), at)))
}

func passStatus(method string) string {
	if method != http.MethodGet && method != http.MethodHead {
		return fwdMethod
	}
	return fwdBypass
}

// safe are the methods that change nothing (RFC 9110 section 9.2.1, and the
// registry of methods).
func safe(method string) bool {
	return slices.Contains([]string{"GET", "HEAD", "OPTIONS", "TRACE", "PRI", "PROPFIND", "REPORT", "SEARCH"}, method)
}

// invalidate marks what is kept of a resource that a request has changed, and
// of others that the answer names on the same host (RFC 9111 section 4.4).
func (p *Proxy) invalidate(q *query, resp *http.Response) {
	if safe(q.r.Method) || resp.StatusCode < 200 || resp.StatusCode >= 400 || isUploadPack(q.r) {
		return
	}
	targets := []*url.URL{q.url}
	for _, name := range []string{"Location", "Content-Location"} {
		if v := resp.Header.Get(name); v != "" {
			if u, err := q.url.Parse(v); err == nil && u.Scheme == q.url.Scheme && u.Host == q.url.Host {
				targets = append(targets, u)
			}
		}
	}
	for _, u := range targets {
		if err := p.Store.Invalidate(p.keyOf(u)); err != nil {
			p.Log.Debug("invalidate", "err", err)
		}
	}
}

// meter counts what is read of a body.
type meter struct {
	r io.ReadCloser
	n int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	return n, err
}

func (m *meter) Close() error { return m.r.Close() }

// upstreamError answers for an upstream that failed, and says what failed.
func upstreamError(w http.ResponseWriter, q *query, err error) int {
	q.own = true
	status := http.StatusBadGateway
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	mark(w.Header(), fwdMiss+"; detail=upstream-failed")
	w.Header().Set("X-Cachex", "error")
	http.Error(w, fmt.Sprintf("cachex: could not fetch %s: %v", policy.Unsigned(q.url), err), status)
	return status
}

// refuse answers at once for what cannot be had. 403 is the one status after
// which clients neither retry nor resolve differently (ECOSYSTEMS.md 2.6), but
// for Nix, which takes it for "not in this cache".
func (p *Proxy) refuse(w http.ResponseWriter, q *query, reason string) {
	q.own = true
	q.x.ex.Accept = acceptOf(q)
	status := http.StatusForbidden
	if len(q.url.Path) > 8 && q.url.Path[len(q.url.Path)-8:] == ".narinfo" {
		status = http.StatusUnavailableForLegalReasons
	}
	mark(w.Header(), fwdMiss+"; detail=refused")
	w.Header().Set("X-Cachex", "refused")
	u := policy.Unsigned(q.url).String()
	advice := "Run the command once without --offline to add it to the cache."
	switch {
	case q.x.ex.Cause == CauseFrozen:
		advice = "With --lock and without --frozen the command records what it receives."
	case q.x.ex.Cause == CauseDenied:
		advice = "The flags --allow and --deny of cachex run say which hosts may be reached."
	}
	http.Error(w, fmt.Sprintf("cachex: refused (%s): %s %s\n%s", reason, q.r.Method, u, advice), status)
	q.x.finish(Refused, reason, status)
}
