//go:build linux

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// certificates makes an authority, and the origin's certificate: P-256, as cachex's own
// are, so that a handshake costs everyone the same.
func (s *stage) certificates() error {
	s.authority, s.authorityKey = filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "ca-and-key.pem")
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cachex bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &leafKey.PublicKey, caKey)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.authority, certificate(caDER), 0o644); err != nil {
		return err
	}
	for path, pair := range map[string]struct {
		key *ecdsa.PrivateKey
		der []byte
	}{s.authorityKey: {caKey, caDER}, filepath.Join(s.dir, "leaf.pem"): {leafKey, leafDER}} {
		der, err := x509.MarshalPKCS8PrivateKey(pair.key)
		if err != nil {
			return err
		}
		key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		// Other users read it as well. It is worth a day, in this namespace.
		if err := os.WriteFile(path, bytes.Join([][]byte{key, certificate(pair.der)}, nil), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func certificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
