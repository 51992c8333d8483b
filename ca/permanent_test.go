package ca

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func madeDirectory(t *testing.T, now time.Time) Directory {
	t.Helper()
	d := Directory(filepath.Join(t.TempDir(), "config", "ca"))
	if err := d.Make("me/../x\n@höst", now); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPermanent(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	d := madeDirectory(t, now)
	a, err := d.Open(now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := d.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	name := cert.Subject.CommonName
	if !strings.HasPrefix(name, "cachex me-..-x-@h-st ") || len(name) > 64 {
		t.Errorf("the name is %q", name)
	}
	if !cert.IsCA || !cert.MaxPathLenZero || cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Error("it may sign more than it needs")
	}
	if life := cert.NotAfter.Sub(cert.NotBefore); life != 825*24*time.Hour {
		t.Errorf("it lives for %v", life)
	}
	for path, want := range map[string]fs.FileMode{d.KeyFile(): 0o600, string(d): 0o700, d.CertificateFile(): 0o644} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	// What it issues is good now, and not for longer than clients take.
	leaf, err := a.Certificate("registry.example")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	if _, err := leaf.Leaf.Verify(x509.VerifyOptions{DNSName: "registry.example", Roots: roots, CurrentTime: now}); err != nil {
		t.Error(err)
	}
	if left := leaf.Leaf.NotAfter.Sub(leaf.Leaf.NotBefore); left > 200*24*time.Hour {
		t.Errorf("a leaf lives for %v", left)
	}
	if err := d.Make("me", now); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v", err)
	}
	again, err := d.Open(now.AddDate(2, 0, 0))
	if err != nil || string(again.PEM()) != string(a.PEM()) {
		t.Errorf("opened again: %v", err)
	}
	if leaf, err = again.Certificate("registry.example"); err != nil || leaf.Leaf.NotAfter.After(cert.NotAfter) || !leaf.Leaf.NotAfter.After(now.AddDate(2, 0, 0)) {
		t.Errorf("a later leaf: %v", err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Dir(string(d))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
	if _, err := d.Open(now); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestPermanentBad(t *testing.T) {
	now := time.Now()
	other := madeDirectory(t, now)
	copyFrom := func(from, to string) error {
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o600)
	}
	for _, c := range []struct {
		name  string
		spoil func(d Directory) error
		now   time.Time
		want  error
	}{
		{"fine", func(Directory) error { return nil }, now, nil},
		{"expired", func(Directory) error { return nil }, now.Add(825 * 24 * time.Hour), ErrExpired},
		{"no certificate", func(d Directory) error { return os.Remove(d.CertificateFile()) }, now, ErrDamaged},
		{"no key", func(d Directory) error { return os.Remove(d.KeyFile()) }, now, ErrDamaged},
		{"empty certificate", func(d Directory) error { return os.Truncate(d.CertificateFile(), 0) }, now, ErrDamaged},
		{"half a certificate", func(d Directory) error { return os.Truncate(d.CertificateFile(), 300) }, now, ErrDamaged},
		{"half a key", func(d Directory) error { return os.Truncate(d.KeyFile(), 100) }, now, ErrDamaged},
		{"a certificate for a key", func(d Directory) error { return copyFrom(d.CertificateFile(), d.KeyFile()) }, now, ErrDamaged},
		{"another's key", func(d Directory) error { return copyFrom(other.KeyFile(), d.KeyFile()) }, now, ErrDamaged},
		{"another's certificate", func(d Directory) error { return copyFrom(other.CertificateFile(), d.CertificateFile()) }, now, ErrDamaged},
		{"key for the group", func(d Directory) error { return os.Chmod(d.KeyFile(), 0o640) }, now, ErrExposed},
		{"key for all", func(d Directory) error { return os.Chmod(d.KeyFile(), 0o604) }, now, ErrExposed},
		{"anybody's directory", func(d Directory) error { return os.Chmod(string(d), 0o777) }, now, ErrExposed},
	} {
		d := madeDirectory(t, now)
		if err := c.spoil(d); err != nil {
			t.Fatal(err)
		}
		_, err := d.Open(c.now)
		if !errors.Is(err, c.want) || err != nil && c.want == nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), string(d)) {
			t.Errorf("%s: %q names no file", c.name, err)
		}
	}
}

func TestInstalledNotes(t *testing.T) {
	d := madeDirectory(t, time.Now())
	if in, err := d.Installed(); err != nil || in.PEM != "" || in.Stores != nil {
		t.Errorf("nothing noted: %+v, %v", in, err)
	}
	cert, err := d.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	want := Store{"nss", "/home/me/.pki/nssdb"}
	if err := d.NoteInstalled(cert, []Store{want}); err != nil {
		t.Fatal(err)
	}
	in, err := d.Installed()
	if err != nil || len(in.Stores) != 1 || in.Stores[0] != want {
		t.Errorf("%+v, %v", in, err)
	}
	if got, err := in.Certificate(); err != nil || !got.Equal(cert) {
		t.Errorf("the certificate: %v", err)
	}
	if err := os.WriteFile(filepath.Join(string(d), installedFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Installed(); !errors.Is(err, ErrDamaged) {
		t.Errorf("a damaged note: %v", err)
	}
}

func TestFindStores(t *testing.T) {
	home := t.TempDir()
	getenv := func(name string) string { return map[string]string{"HOME": home, "JAVA_HOME": ""}[name] }
	for _, kind := range []string{"nss", "java", "other"} {
		if s, err := FindStores(kind, nil, getenv); err == nil {
			t.Errorf("%s: found %v", kind, s)
		}
	}
	for _, dir := range []string{".pki/nssdb", ".mozilla/firefox/a.default", ".mozilla/firefox/empty"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if filepath.Base(dir) != "empty" {
			if err := os.WriteFile(filepath.Join(home, dir, "cert9.db"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("PATH", home)
	if _, err := FindStores("nss", nil, getenv); err == nil || !strings.Contains(err.Error(), "certutil") {
		t.Errorf("without certutil: %v", err)
	}
	if err := os.WriteFile(filepath.Join(home, "certutil"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if s, err := FindStores("nss", nil, getenv); err != nil || len(s) != 2 {
		t.Errorf("found %v, %v", s, err)
	}
}
