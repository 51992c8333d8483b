package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What is read is what every Go program reads.
func TestSystemRoots(t *testing.T) {
	want, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	got, err := systemRoots(os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(want) {
		t.Error("they are not those of crypto/x509")
	}
}

func TestSystemRootsOf(t *testing.T) {
	certificate := func() []byte {
		a, err := New(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return a.PEM()
	}
	a, b, c, d := certificate(), certificate(), certificate(), certificate()
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("none")})
	dir := t.TempDir()
	for name, parts := range map[string][][]byte{
		"bundle.pem":    {[]byte("# a comment\n"), a, key, b, a},
		"certs/a.pem":   {a},
		"certs/c.crt":   {[]byte("-----BEGIN what is no certificate\n"), c[:len(c)-1]},
		"certs/cut.pem": {d[:len(d)/2]},
		"more/d.pem":    {[]byte("CN = d\r\n"), d},
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Join(parts, nil), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.pem", filepath.Join(dir, "certs", "0123abcd.0")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file, dirs string
		want       [][]byte
	}{
		{"/bundle.pem", dir + "/certs:" + dir + "/more", [][]byte{a, b, c, d}},
		{"/bundle.pem", dir + "/none", [][]byte{a, b}},
		{"/none", dir + "/certs", [][]byte{a, c}},
		{"/none", dir + "/more", [][]byte{d}},
	} {
		got, err := systemRoots([]string{"SSL_CERT_FILE=" + dir + c.file, "SSL_CERT_DIR=" + c.dirs})
		if err != nil {
			t.Fatal(err)
		}
		want := x509.NewCertPool()
		want.AppendCertsFromPEM(bytes.Join(c.want, nil))
		if !got.Equal(want) {
			t.Errorf("%s and %s have others than the %d that are wanted", c.file, c.dirs, len(c.want))
		}
	}
}

// BenchmarkRoots is what the first request to upstream waits for.
func BenchmarkRoots(b *testing.B) {
	for b.Loop() {
		if _, err := Roots(os.Environ()); err != nil {
			b.Fatal(err)
		}
	}
}
