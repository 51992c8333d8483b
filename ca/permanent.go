package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// permanentLifetime is what Apple's systems allow to certificates that a user
// installs (825 days); others allow more.
const permanentLifetime = 825 * 24 * time.Hour

// Why an authority in a directory cannot be used. Errors say in which file.
var (
	ErrNoAuthority = errors.New("there is no authority yet")
	ErrExpired     = errors.New("the authority has expired")
	ErrDamaged     = errors.New("the authority is damaged")
	ErrExposed     = errors.New("the authority's key can be read or changed by other users")
)

// Directory holds a permanent authority, for programs that a user keeps out of
// runs. Runs neither need it nor look at it: each has its own.
type Directory string

// The files. The directory is made with the first two in it, or not at all.
const (
	certificateFile = "authority.pem"
	keyFile         = "authority.key"
	installedFile   = "installed.json" // the stores that may have the certificate
)

// CertificateFile is the path of the certificate, whether it is there or not.
func (d Directory) CertificateFile() string { return filepath.Join(string(d), certificateFile) }

// KeyFile is the path of the private key.
func (d Directory) KeyFile() string { return filepath.Join(string(d), keyFile) }

// Make makes an authority whose name has owner in it, such as user@host. It
// fails with fs.ErrExist when there is one.
func (d Directory) Make(owner string, now time.Time) error {
	if _, err := os.Lstat(string(d)); err == nil {
		return fmt.Errorf("%s: %w", d, fs.ErrExist)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	a, err := selfSigned(key, plain(owner), now, permanentLifetime)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	parent := filepath.Dir(string(d))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, ".ca-") // with mode 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(filepath.Join(tmp, keyFile), keyPEM, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, certificateFile), a.PEM(), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, string(d))
}

// plain makes an owner fit for names of certificates and of files, and short
// enough for a common name.
func plain(owner string) string {
	owner = strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("@._-", r) {
			return r
		}
		return '-'
	}, owner)
	return owner[:min(len(owner), maxCommonName-len("cachex  01234567"))]
}

// Open reads the authority and makes sure that it can be used. It fails with
// one of the errors above.
func (d Directory) Open(now time.Time) (*Authority, error) {
	cert, err := d.Certificate()
	if err != nil {
		return nil, err
	}
	if err := d.private(); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(d.KeyFile())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%w: %s holds no private key", ErrDamaged, d.KeyFile())
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, d.KeyFile(), err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%w: %s is not the key of %s", ErrDamaged, d.KeyFile(), d.CertificateFile())
	}
	if now.After(cert.NotAfter) {
		return nil, fmt.Errorf("%w: %s was good until %s", ErrExpired, d.CertificateFile(), cert.NotAfter.Format(time.DateOnly))
	}
	return withKey(cert, key, now)
}

// Certificate reads the certificate alone. It may have expired.
func (d Directory) Certificate() (*x509.Certificate, error) {
	b, err := os.ReadFile(d.CertificateFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(string(d)); err == nil {
			return nil, fmt.Errorf("%w: %s is missing", ErrDamaged, d.CertificateFile())
		}
		return nil, ErrNoAuthority
	case err != nil:
		return nil, err
	}
	cert, err := parseCertificate(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, d.CertificateFile(), err)
	}
	return cert, nil
}

func parseCertificate(b []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, errors.New("it does not hold one certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err == nil && !cert.IsCA {
		err = errors.New("it is not an authority's certificate")
	}
	return cert, err
}

// private makes sure that others can neither read the key nor replace it.
func (d Directory) private() error {
	if runtime.GOOS == "windows" {
		return nil // no modes
	}
	for path, forbidden := range map[string]fs.FileMode{d.KeyFile(): 0o077, string(d): 0o022} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if mode := info.Mode().Perm(); mode&forbidden != 0 {
			return fmt.Errorf("%w: %s has the mode %04o", ErrExposed, path, mode)
		}
	}
	return nil
}

// Remove removes the directory with all that is in it, and the one around it
// when that is empty then.
func (d Directory) Remove() error {
	if err := os.RemoveAll(string(d)); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(string(d))) // fails when it holds other settings
	return nil
}
