package ca

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTrustFiles: the variables name files in the directory, with the system's
// roots, the user's and ours, and nothing else is to be changed.
func TestTrustFiles(t *testing.T) {
	a, err := New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	user := filepath.Join(t.TempDir(), "user.pem")
	if err := os.WriteFile(user, other.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".wgetrc"), []byte("timeout = 7"), 0o600); err != nil {
		t.Fatal(err)
	}
	trust, err := a.TrustFiles(dir, dir, []string{"HOME=" + home, "SSL_CERT_FILE=" + user, "JAVA_TOOL_OPTIONS=-Xmx1g"})
	if err != nil {
		t.Fatal(err)
	}
	if len(trust.Trees) > 0 {
		t.Errorf("it changes %v", trust.Trees)
	}
	env := environment(trust.Env)
	for _, name := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "DENO_CERT", "GIT_SSL_CAINFO"} {
		path := env.get(name)
		b, err := os.ReadFile(path)
		if filepath.Dir(path) != dir || err != nil {
			t.Errorf("%s=%s, %v", name, path, err)
			continue
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(b)
		for whose, c := range map[string]*Authority{"ours": a, "the user's": other} {
			if whose == "the user's" && name == "NODE_EXTRA_CA_CERTS" {
				continue // it adds to what Node has
			}
			if _, err := c.cert.Verify(x509.VerifyOptions{Roots: pool}); err != nil {
				t.Errorf("%s does not hold %s: %v", name, whose, err)
			}
		}
	}
	bundle := env.get("SSL_CERT_FILE")
	for name, want := range map[string]string{
		"WGETRC": "timeout = 7\nca_certificate = " + bundle + "\n", "APT_CONFIG": "\nAcquire::https::CaInfo \"" + bundle + "\";\n",
	} {
		if b, err := os.ReadFile(env.get(name)); string(b) != want || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for name, want := range map[string]os.FileMode{"WGETRC": 0o600, "APT_CONFIG": 0o644, "SSL_CERT_FILE": 0o644} {
		if info, err := os.Stat(env.get(name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, info, err, want)
		}
	}
	java := env.get("JAVA_TOOL_OPTIONS")
	store, ok := strings.CutPrefix(java, "-Xmx1g "+javaTrustStore)
	data, err := os.ReadFile(store)
	if !ok || filepath.Dir(store) != dir || err != nil {
		t.Fatalf("JAVA_TOOL_OPTIONS=%s, %v", java, err)
	}
	ders, err := storeCertificates(data, javaPassword)
	if err != nil || len(ders) < 2 {
		t.Errorf("the Java store holds %d certificates, %v", len(ders), err)
	}
}
