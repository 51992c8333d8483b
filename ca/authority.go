// Package ca is a run's certificate authority, and how programs are made to
// trust it.
//
// An Authority lives in memory for one run. Trust (trust.go) says which files
// and variables a build must see so that its programs accept the authority
// beside everything that they accepted before. A permanent one (permanent.go) is
// kept on disk and in stores (installed.go) for those who ask for it.
package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	// backdate covers machines whose clock is behind, lifetime those that
	// refuse certificates of more than 398 days (or 200, from 2026 on).
	backdate = 48 * time.Hour
	lifetime = 190 * 24 * time.Hour
	// maxLeaves bounds the memory that a build can take by asking for names.
	maxLeaves = 10_000
)

// Authority issues certificates that end with the process. The key of New's is
// nowhere but in memory. It is safe for concurrent use.
type Authority struct {
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	leafKey *ecdsa.PrivateKey // one for all leaves: making keys takes longer than signing
	made    time.Time

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

// New makes an authority that is valid around now.
func New(now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return selfSigned(key, "", now, lifetime)
}

// selfSigned makes the authority of a key, with its owner in the name.
func selfSigned(key *ecdsa.PrivateKey, owner string, now time.Time, life time.Duration) (*Authority, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// A name of its own: programs that find issuers by name would take the
		// authority of another run for this one.
		Subject: pkix.Name{
			Organization: []string{"cachex"},
			CommonName:   strings.Join(strings.Fields("cachex "+owner+" "+hex.EncodeToString(serial.Bytes()[:4])), " "),
		},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(-backdate + life),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	return withKey(cert, key, now)
}

// withKey issues with a certificate that there is already.
func withKey(cert *x509.Certificate, key *ecdsa.PrivateKey, now time.Time) (*Authority, error) {
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return &Authority{cert: cert, key: key, leafKey: leafKey, made: now, leaves: map[string]*tls.Certificate{}}, nil
}

// newSerial is a positive number of at most 16 octets, and of at least 4
// (RFC 5280 section 4.1.2.2 allows 20).
func newSerial() (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}

// Public is another process's authority, of its PEM. Programs can be made to
// trust it; it issues nothing.
func Public(certificate []byte) (*Authority, error) {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return nil, errors.New("read the authority: no PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	return &Authority{cert: cert}, nil
}

// PEM is the authority's certificate.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Certificate is the certificate for a host name or an IP address, the same one
// each time, however the name is written.
func (a *Authority) Certificate(name string) (*tls.Certificate, error) {
	// A name that ends with a dot is good for no client (RFC 6066 section 3).
	name = asciiLower(strings.TrimSuffix(name, "."))
	if ip := net.ParseIP(name); ip != nil {
		name = ip.String()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.key == nil {
		return nil, errors.New("the authority's key is elsewhere")
	}
	if c := a.leaves[name]; c != nil {
		return c, nil
	}
	c, err := a.issue(name)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate for %q: %w", name, err)
	}
	if len(a.leaves) >= maxLeaves {
		clear(a.leaves)
	}
	a.leaves[name] = c
	return c, nil
}

// maxCommonName is ub-common-name (RFC 5280 appendix A.1).
const maxCommonName = 64

func (a *Authority) issue(name string) (*tls.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"cachex"}},
		NotBefore:             later(a.cert.NotBefore, a.made.Add(-backdate)),
		NotAfter:              earlier(a.cert.NotAfter, a.made.Add(-backdate+lifetime)),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(name) <= maxCommonName {
		template.Subject.CommonName = name
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.leafKey.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.leafKey, Leaf: leaf}, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
