package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// NewTransport is the transport for Proxy.Upstream: names are resolved and
// dialled by the host, through the host's own HTTP_PROXY, HTTPS_PROXY and
// NO_PROXY where they are set, and certificates are verified with roots. These
// are asked for when the first request is sent.
func NewTransport(roots func() (*x509.CertPool, error)) http.RoundTripper {
	return &lazyTransport{sync.OnceValues(func() (http.RoundTripper, error) {
		pool, err := roots()
		if err != nil {
			return nil, fmt.Errorf("read the host's certificates: %w", err)
		}
		return transport(pool), nil
	})}
}

// lazyTransport is a transport that is made when it is first used.
type lazyTransport struct {
	inner func() (http.RoundTripper, error)
}

// RoundTrip sends a request on.
func (l *lazyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t, err := l.inner()
	if err != nil {
		return nil, err
	}
	return t.RoundTrip(r)
}

func transport(roots *x509.CertPool) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		DialContext:     tolerant((&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext),
		TLSClientConfig: &tls.Config{RootCAs: roots, GetClientCertificate: noCertificate},
		Protocols:       &protocols,
		HTTP2:           http2Config(),
		// Codings are asked for and undone by the cache, which must know.
		DisableCompression:  true,
		TLSHandshakeTimeout: handshakeTimeout,
		// Builds open up to 50 connections to one host (ECOSYSTEMS.md 3.1) and
		// come back to it: keep as many.
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		// Long enough for the slowest answer that clients themselves wait for.
		ResponseHeaderTimeout:  5 * time.Minute,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 4 * maxHeader,
		WriteBufferSize:        64 << 10,
		ReadBufferSize:         64 << 10,
	}
}
