//go:build !linux

package ca

import "crypto/x509"

func systemRoots([]string) (*x509.CertPool, error) { return x509.SystemCertPool() }
