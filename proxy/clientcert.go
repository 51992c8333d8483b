package proxy

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"slices"
)

// A server may ask for a certificate of its client, and refuse one that has none
// to show: in the handshake (TLS 1.2), just after it (1.3), or by a status of
// HTTP, as nginx does. The client may have one, but cachex has not.

type askedKey struct{}

// noCertificate is GetClientCertificate of the transport: it notes that the
// server has asked, and shows nothing.
func noCertificate(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if asked, ok := i.Context().Value(askedKey{}).(func()); ok {
		asked()
	}
	return &tls.Certificate{}, nil
}

// noticeAsking makes noCertificate tell this proxy about a request's host.
func (p *Proxy) noticeAsking(r *http.Request) *http.Request {
	if r.URL.Scheme != "https" {
		return r
	}
	host := r.URL.Host
	return r.WithContext(context.WithValue(r.Context(), askedKey{}, func() { p.obstacles.asks(host) }))
}

// noticeRefusal looks at what became of a request to a host that may have asked.
func (p *Proxy) noticeRefusal(r *http.Request, resp *http.Response, err error) {
	if err != nil {
		_, alert := remoteAlert(err)
		if alert || closedByPeer(err) {
			p.obstacles.refuses(r.URL.Host)
		}
		return
	}
	if refusesClient(resp.StatusCode) {
		p.obstacles.refuses(r.URL.Host)
	}
}

// refusesClient tells whether servers say with a status that a certificate is
// missing: nginx 400, others 401 or 403.
func refusesClient(status int) bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}, status)
}

// asks notes that a host has asked for a certificate.
func (o *obstacles) asks(host string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wanting == nil {
		o.wanting = map[string]bool{}
	}
	o.wanting[host] = o.wanting[host]
	o.anyWanting.Store(true)
}

// refuses notes that a host turned a request down; of those that have not asked
// for a certificate nothing is remembered.
func (o *obstacles) refuses(host string) {
	if !o.anyWanting.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.wanting[host]; ok {
		o.wanting[host] = true
	}
}

// wants tells whether a host turned a request down for want of a certificate.
func (o *obstacles) wants(host string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wanting[host]
}

// obstacleOf is what the host of a failed exchange is known for.
func (p *Proxy) obstacleOf(rawURL string) Obstacle {
	if !p.obstacles.anyWanting.Load() {
		return ""
	}
	if u, err := url.Parse(rawURL); err == nil && u.Scheme == "https" && p.obstacles.wants(u.Host) {
		return ClientCertificate
	}
	return ""
}

// refusedByAlert tells whether a server ended the handshake for what it thinks
// of this client.
func refusedByAlert(err error) bool {
	a, ok := remoteAlert(err)
	return ok && (refusesCertificate(a) || a == alertHandshakeFailure || a == alertCertificateRequired)
}
