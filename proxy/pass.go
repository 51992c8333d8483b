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

	"cachex/proxy/policy"
)

// pass sends a request on as it is and the answer back as it comes.
func (p *Proxy) pass(w http.ResponseWriter, q *query, reason string) {
	x := q.x
	if p.Offline {
		p.refuse(w, q, "offline: "+reason)
		return
	}
	status, outcome := 0, Pass
	body := &meter{}
	rp := httputil.ReverseProxy{
		Transport:     p.Upstream,
		FlushInterval: -1,
		ErrorLog:      p.server.ErrorLog,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL = q.url
			pr.Out.Host = q.r.Host
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if v, ok := pr.In.Header[name]; ok {
					pr.Out.Header[name] = v
				}
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			status = resp.StatusCode
			resp.Header.Del("Alt-Svc")
			if resp.StatusCode != http.StatusSwitchingProtocols {
				body.r = resp.Body
				resp.Body = body
				resp.Header.Add("Cache-Status", "cachex; fwd=bypass")
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			outcome, reason = Error, err.Error()
			status = upstreamError(w, q.url, err)
		},
	}
	defer func() {
		x.bytes, x.network = body.n, body.n
		x.finish(outcome, reason, status)
	}()
	rp.ServeHTTP(w, q.r)
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
func upstreamError(w http.ResponseWriter, u *url.URL, err error) int {
	status := http.StatusBadGateway
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	w.Header().Set("Cache-Status", "cachex; fwd=uri-miss; detail=upstream-failed")
	w.Header().Set("X-Cachex", "error")
	http.Error(w, fmt.Sprintf("cachex: could not fetch %s: %v", policy.Unsigned(u), err), status)
	return status
}

// refuse answers at once for what cannot be had. 403 is the one status after
// which clients neither retry nor resolve differently (ECOSYSTEMS.md 2.6), but
// for Nix, which takes it for "not in this cache".
func (p *Proxy) refuse(w http.ResponseWriter, q *query, reason string) {
	status := http.StatusForbidden
	if len(q.url.Path) > 8 && q.url.Path[len(q.url.Path)-8:] == ".narinfo" {
		status = http.StatusUnavailableForLegalReasons
	}
	w.Header().Set("Cache-Status", "cachex; fwd=uri-miss; detail=refused")
	w.Header().Set("X-Cachex", "refused")
	u := policy.Unsigned(q.url).String()
	http.Error(w, fmt.Sprintf("cachex: refused (%s): %s %s\nRun the command once without --offline to add it to the cache.", reason, q.r.Method, u), status)
	q.x.finish(Refused, reason, status)
}
