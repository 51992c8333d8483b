package ca

import (
	"crypto/x509"
	"fmt"
)

// Roots are what this machine trusts: the system's roots (SSL_CERT_FILE and
// SSL_CERT_DIR honoured, as by every Go program) and the certificates of all
// files that the variables of other programs name.
func Roots(env []string) (*x509.CertPool, error) {
	pool, err := systemRoots(env)
	if err != nil {
		return nil, fmt.Errorf("read the system's roots: %w", err)
	}
	b := &trustBuilder{root: "/", env: env, real: map[string]string{}}
	for _, extra := range b.userCertificates() {
		pool.AppendCertsFromPEM(extra)
	}
	return pool, nil
}
