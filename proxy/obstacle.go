package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Obstacle is a reason why TLS to a host cannot be opened, so that it works
// only with Passthrough.
type Obstacle string

// The obstacles. Their words are part of the report's format.
const (
	// CertificateRefused: the client does not accept the certificate that it is
	// shown, as it pins another or has roots of its own.
	CertificateRefused Obstacle = "certificate-refused"
	// ClientCertificate: the server wants a certificate of the client, whose
	// key cachex does not have.
	ClientCertificate Obstacle = "client-certificate"
	// HelloEncrypted: the client insists on Encrypted Client Hello (RFC 9849).
	HelloEncrypted Obstacle = "encrypted-hello"
)

// obstacles remembers what was learned about hosts. The zero value knows
// nothing.
type obstacles struct {
	mu sync.Mutex
	// trusted are hosts that a request came for.
	trusted map[string]bool
	// closed counts the connections that ended without a word after the
	// certificate. A host that is in it is a suspect.
	closed map[string]int
	// wanting are hosts that asked for a client certificate; true when one
	// failed for want of it.
	wanting    map[string]bool
	anyWanting atomic.Bool // spares all others the lock
}

func (o *obstacles) trust(host string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.trusted == nil {
		o.trusted = map[string]bool{}
	}
	o.trusted[host] = true
}

// suspect makes the next clients of a host known by name.
func (o *obstacles) suspect(host string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count(host, 0)
}

func (o *obstacles) suspects(host string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.closed[host]
	return ok
}

// silent counts a client that closed its connection in the middle of the
// handshake, when it had seen the certificate.
func (o *obstacles) silent(host string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count(host, 1)
}

// silentUntrusted counts a client that closed its connection after the
// handshake. Where requests have come it is one that just needed no more
// connections, and the count is 0.
func (o *obstacles) silentUntrusted(host string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.trusted[host] {
		return 0
	}
	return o.count(host, 1)
}

func (o *obstacles) count(host string, n int) int {
	if o.closed == nil {
		o.closed = map[string]int{}
	}
	o.closed[host] += n
	return o.closed[host]
}

// The alerts (RFC 8446 section 6, RFC 9849 section 11) that tell something.
const (
	alertHandshakeFailure    tls.AlertError = 40
	alertBadCertificate      tls.AlertError = 42
	alertUnsupportedCert     tls.AlertError = 43
	alertCertificateRevoked  tls.AlertError = 44
	alertCertificateExpired  tls.AlertError = 45
	alertCertificateUnknown  tls.AlertError = 46
	alertUnknownCA           tls.AlertError = 48
	alertCertificateRequired tls.AlertError = 116
	alertECHRequired         tls.AlertError = 121
)

// remoteAlert is the alert that the other side ended a connection with.
// crypto/tls has an exported type for alerts, but gives those of a connection
// another one: they are told by their words.
func remoteAlert(err error) (tls.AlertError, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return 0, false
	}
	for code := range tls.AlertError(255) {
		if code.Error() == op.Err.Error() {
			return code, true
		}
	}
	return 0, false
}

// lastBytes are the last of what a client sent. OpenSSL sends the alert that ends
// a handshake of TLS 1.3 in clear text, which crypto/tls takes for a record that
// does not decrypt.
type lastBytes [7]byte

func (l *lastBytes) note(b []byte) {
	if len(b) > len(l) {
		b = b[len(b)-len(l):]
	}
	copy(l[:], l[len(b):])
	copy(l[len(l)-len(b):], b)
}

// alert is the alert that they are as a record in clear text (RFC 8446 sections
// 5.1 and 6).
func (l *lastBytes) alert() (tls.AlertError, bool) {
	fatal := l[0] == 21 && l[1] == 3 && l[3] == 0 && l[4] == 2 && l[5] == 2
	return tls.AlertError(l[6]), fatal
}

func refusesCertificate(a tls.AlertError) bool {
	return slices.Contains([]tls.AlertError{
		alertBadCertificate, alertUnsupportedCert, alertCertificateRevoked, alertCertificateExpired,
		alertCertificateUnknown, alertUnknownCA,
	}, a)
}

// refusal says that the client refused the certificate, in the alert's words.
func refusal(a tls.AlertError) string {
	return "the client refuses the certificate: " + strings.TrimPrefix(a.Error(), "tls: ")
}

// closedByPeer tells whether a connection just ended, with or without ceremony.
func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
