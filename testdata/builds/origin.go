package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// origin is an HTTPS server for the builds that need one: files, redirects and
// a git repository. It listens on an address of this machine that is not
// loopback, as loopback is the sandbox's own.
type origin struct {
	url    string
	bundle string // PEM file: the system's roots and the origin's
	server *http.Server
}

func startOrigin(dir string) (*origin, error) {
	ip, err := ownIP()
	if err != nil {
		return nil, err
	}
	if err := makeRepository(dir); err != nil {
		return nil, err
	}
	cert, err := selfSigned(ip)
	if err != nil {
		return nil, err
	}
	bundle := filepath.Join(dir, "bundle.pem")
	if err := writeBundle(bundle, cert.Certificate[0]); err != nil {
		return nil, err
	}
	backend, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("git --exec-path: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/git/", &cgi.Handler{
		Path:       filepath.Join(strings.TrimSpace(string(backend)), "git-http-backend"),
		Root:       "/git",
		Env:        []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
		InheritEnv: []string{"PATH"},
	})
	for name, body := range files() {
		mux.HandleFunc("GET /files/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, name, time.Unix(1_700_000_000, 0), bytes.NewReader(body))
		})
	}
	mux.HandleFunc("GET /moved/{name}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/files/"+r.PathValue("name"), http.StatusFound)
	})
	l, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0"))
	if err != nil {
		return nil, err
	}
	o := &origin{
		url:    "https://" + l.Addr().String(),
		bundle: bundle,
		server: &http.Server{
			Handler:   mux,
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
			ErrorLog:  log.New(os.Stderr, "origin: ", 0),
		},
	}
	go func() {
		if err := o.server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			log.Print("origin: ", err)
		}
	}()
	return o, nil
}

func ownIP() (net.IP, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP, nil
		}
	}
	return nil, errors.New("this machine has no address but loopback")
}

// files are the same in each run.
func files() map[string][]byte {
	noise := make([]byte, 3_000_000)
	source := mathrand.NewChaCha8([32]byte{1})
	_, _ = source.Read(noise) // documented never to fail
	return map[string][]byte{
		"archive-1.2.3.tar.gz": noise,
		"resumed-1.2.3.tar.gz": noise,
		"index.json":           []byte(`{"versions":["` + strings.Repeat(`1.2.3","`, 2000) + `1.2.4"]}`),
		"install.sh":           []byte("echo installed\n"),
	}
}

func makeRepository(dir string) error {
	script := `git init -q -b main work && cd work
git config user.name Build && git config user.email build@example.com
for i in 1 2 3 4 5 6 7 8; do seq $((i * 1000)) > file$i; git add .; git commit -qm "commit $i"; done
cd .. && git clone -q --bare work repository.git`
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2024-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2024-01-01T00:00:00Z")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the git repository: %w\n%s", err, out)
	}
	return nil
}

func selfSigned(ip net.IP) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "origin"}, IPAddresses: []net.IP{ip},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func writeBundle(path string, der []byte) error {
	var roots []byte
	for _, p := range []string{os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"} {
		if b, err := os.ReadFile(p); err == nil {
			roots = append(b, '\n')
			break
		}
	}
	return os.WriteFile(path, append(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...), 0o644)
}
