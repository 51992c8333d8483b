package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	a, err := New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// verify does what a client does that trusts nothing but the authority's PEM.
func verify(a *Authority, leaf *x509.Certificate, name string, at time.Time) error {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.PEM()) {
		return fmt.Errorf("the authority's PEM holds no certificate")
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool, CurrentTime: at})
	return err
}

func TestLeafNames(t *testing.T) {
	a := newAuthority(t)
	long := strings.Repeat("a.", 100) + "example"
	for _, c := range []struct {
		name, san string // san is the one name or address of the leaf
		common    bool   // whether it is the common name too
	}{
		{"registry.example", "registry.example", true},
		{"REGISTRY.Example", "registry.example", true},
		{"registry.example.", "registry.example", true},
		{"localhost", "localhost", true},
		{"a_b.example", "a_b.example", true},
		{"_srv._tcp.example", "_srv._tcp.example", true},
		{"xn--bcher-kva.example", "xn--bcher-kva.example", true},
		{"1e100.example", "1e100.example", true},
		{"a--b.0.example", "a--b.0.example", true},
		{strings.Repeat("a", 56) + ".example", strings.Repeat("a", 56) + ".example", true},
		{strings.Repeat("a", 57) + ".example", strings.Repeat("a", 57) + ".example", false},
		{long, long, false},
		{"192.0.2.7", "192.0.2.7", true},
		{"::ffff:192.0.2.7", "192.0.2.7", true},
		{"2001:db8::7", "2001:db8::7", true},
		{"2001:DB8:0::7", "2001:db8::7", true},
	} {
		cert, err := a.Certificate(c.name)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		leaf := parsed(t, cert.Certificate[0])
		if err := verify(a, leaf, c.name, time.Now()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if verify(a, leaf, "other.example", time.Now()) == nil || verify(a, leaf, "sub."+c.name, time.Now()) == nil {
			t.Errorf("%s: the leaf is good for other names: %v", c.name, leaf.DNSNames)
		}
		var sans []string
		sans = append(sans, leaf.DNSNames...)
		for _, ip := range leaf.IPAddresses {
			sans = append(sans, ip.String())
		}
		if !slices.Equal(sans, []string{c.san}) {
			t.Errorf("%s: names %q, want %q", c.name, sans, c.san)
		}
		if isIP := net.ParseIP(c.san) != nil; isIP != (len(leaf.IPAddresses) == 1) {
			t.Errorf("%s: an address must be an address, not a name: %v %v", c.name, leaf.DNSNames, leaf.IPAddresses)
		}
		if cn := leaf.Subject.CommonName; (cn == c.san) != c.common || cn != "" && !c.common {
			t.Errorf("%s: common name %q", c.name, cn)
		}
	}
}

// A name that no certificate can hold is an error, time and again, and leaves
// nothing behind.
func TestImpossibleName(t *testing.T) {
	a := newAuthority(t)
	for range 2 {
		if c, err := a.Certificate("b\u00fccher.example"); err == nil {
			t.Errorf("a certificate was issued: %v", c.Leaf.DNSNames)
		}
	}
	if len(a.leaves) != 0 {
		t.Errorf("%d leaves are kept", len(a.leaves))
	}
}

func TestLeafShape(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a, err := New(now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := a.Certificate("registry.example")
	if err != nil {
		t.Fatal(err)
	}
	leaf := parsed(t, cert.Certificate[0])
	for _, c := range []*x509.Certificate{a.cert, leaf} {
		key, ok := c.PublicKey.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() || c.SignatureAlgorithm != x509.ECDSAWithSHA256 {
			t.Errorf("%s: key %T, signature %v; every client takes ECDSA P-256 with SHA-256", c.Subject, c.PublicKey, c.SignatureAlgorithm)
		}
		if days := c.NotAfter.Sub(c.NotBefore).Hours() / 24; days > 398 || days < 30 {
			t.Errorf("%s: valid for %v days", c.Subject, days)
		}
		if n := len(c.SerialNumber.Bytes()); c.SerialNumber.Sign() <= 0 || n > 20 {
			t.Errorf("%s: serial number of %d octets, sign %d", c.Subject, n, c.SerialNumber.Sign())
		}
	}
	// Python 3.13 refuses a chain without it.
	if len(leaf.AuthorityKeyId) == 0 || string(leaf.AuthorityKeyId) != string(a.cert.SubjectKeyId) {
		t.Errorf("authority key id %x, the authority's key id %x", leaf.AuthorityKeyId, a.cert.SubjectKeyId)
	}
	if leaf.IsCA || !leaf.BasicConstraintsValid || leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 ||
		!slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("leaf: CA %v, usage %b %v", leaf.IsCA, leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if len(leaf.OCSPServer)+len(leaf.CRLDistributionPoints)+len(leaf.IssuingCertificateURL) != 0 {
		t.Error("the leaf sends clients elsewhere")
	}
	if !a.cert.IsCA || a.cert.KeyUsage&x509.KeyUsageCertSign == 0 || !a.cert.MaxPathLenZero {
		t.Errorf("authority: CA %v, usage %b, path length zero %v", a.cert.IsCA, a.cert.KeyUsage, a.cert.MaxPathLenZero)
	}
	for name, skew := range map[string]time.Duration{
		"a day behind": -24 * time.Hour, "right": 0, "a month ahead": 30 * 24 * time.Hour,
	} {
		if err := verify(a, leaf, "registry.example", now.Add(skew)); err != nil {
			t.Errorf("a clock that is %s: %v", name, err)
		}
	}
	if verify(a, leaf, "registry.example", now.Add(398*24*time.Hour)) == nil {
		t.Error("the leaf outlives 398 days")
	}
}

func TestLeafIsKept(t *testing.T) {
	a := newAuthority(t)
	var first sync.Map
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 20 {
				name := fmt.Sprintf("h%d.example", i)
				cert, err := a.Certificate(name)
				if err != nil {
					t.Error(err)
					return
				}
				if before, loaded := first.LoadOrStore(name, cert); loaded && before != cert {
					t.Errorf("%s: a second certificate", name)
				}
			}
		})
	}
	group.Wait()
	serials := map[string]bool{}
	first.Range(func(_, c any) bool {
		serials[c.(*tls.Certificate).Leaf.SerialNumber.String()] = true
		return true
	})
	if len(serials) != 20 {
		t.Errorf("%d serial numbers for 20 names", len(serials))
	}
	one, _ := a.Certificate("h1.example")
	for _, alias := range []string{"H1.Example", "h1.example."} {
		if c, err := a.Certificate(alias); err != nil || c != one {
			t.Errorf("%s has a certificate of its own, %v", alias, err)
		}
	}
}

// A build that asks for ever new names can't fill the memory.
func TestLeavesAreBounded(t *testing.T) {
	a := newAuthority(t)
	for i := range maxLeaves {
		a.leaves[fmt.Sprint(i)] = &tls.Certificate{}
	}
	c, err := a.Certificate("registry.example")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := a.Certificate("registry.example"); again != c || len(a.leaves) > maxLeaves {
		t.Errorf("%d leaves are kept, the last among them: %v", len(a.leaves), again == c)
	}
}

// The chain is used as a server uses it, by a client that knows the PEM alone.
func TestHandshake(t *testing.T) {
	a := newAuthority(t)
	cert, err := a.Certificate("registry.example")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.PEM())
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	done := make(chan error, 1)
	go func() {
		done <- tls.Server(far, &tls.Config{Certificates: []tls.Certificate{*cert}}).Handshake()
	}()
	client := tls.Client(near, &tls.Config{RootCAs: pool, ServerName: "registry.example"})
	if err := client.Handshake(); err != nil {
		t.Errorf("client: %v", err)
		near.Close()
	}
	if err := <-done; err != nil {
		t.Errorf("server: %v", err)
	}
}

func TestAuthoritiesDiffer(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	if a.cert.Subject.String() == b.cert.Subject.String() {
		t.Errorf("two runs share the name %s: clients look issuers up by name", a.cert.Subject)
	}
	leaf, err := a.Certificate("registry.example")
	if err != nil {
		t.Fatal(err)
	}
	if verify(b, leaf.Leaf, "registry.example", time.Now()) == nil {
		t.Error("another run's authority vouches for the leaf")
	}
}

func parsed(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
