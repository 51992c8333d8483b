//go:build !linux

package ca

import (
	"crypto/x509"
	"errors"
	"os/exec"

	"github.com/smallstep/truststore"
)

// ErrNotRoot tells that a store is not this user's to change.
var ErrNotRoot = errors.New("only an administrator can change it")

func systemPlace(*x509.Certificate) (string, error) { return "the system's own store", nil }

// systemTrust is the system's store.
type systemTrust struct{ file string }

func (t systemTrust) Name() string { return "system" }

func (t systemTrust) PreCheck() error { return nil }

func (t systemTrust) Install(file string, _ *x509.Certificate) error {
	return truststore.InstallFile(file)
}

func (t systemTrust) Uninstall(_ string, cert *x509.Certificate) error {
	return truststore.Uninstall(cert)
}

// Exists asks the system whether it trusts the certificate.
func (t systemTrust) Exists(cert *x509.Certificate) bool {
	_, err := cert.Verify(x509.VerifyOptions{KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

func detach(*exec.Cmd) {}
