package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// secret is what a client shows to have got.
const secret = "trusted-by-cachex"

// origin is an HTTPS server whose certificate nobody trusts but cachex, by the
// bundle. It listens on an address of this machine that is not loopback, as
// loopback is the sandbox's own.
type origin struct {
	url              string
	bundle           string // PEM file: the origin's certificate alone
	server           *http.Server
	hellos, requests atomic.Int64
}

// counts are handshakes begun and requests made so far.
type counts struct{ hellos, requests int64 }

func (o *origin) counts() counts { return counts{o.hellos.Load(), o.requests.Load()} }

func startOrigin(work string) (*origin, error) {
	dir := filepath.Join(work, "origin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	ip, err := ownIP()
	if err != nil {
		return nil, err
	}
	host, err := nameOrigin(ip.String(), work)
	if err != nil {
		return nil, fmt.Errorf("name the server: %w", err)
	}
	cert, err := selfSigned(ip)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0"))
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, err
	}
	o := &origin{url: "https://" + net.JoinHostPort(host, port), bundle: filepath.Join(dir, "origin.pem")}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if err := os.WriteFile(o.bundle, text, 0o644); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", page)
	for path, file := range packages(o.url) {
		mux.HandleFunc("GET "+path, file.serve)
	}
	registry(mux)
	if err := repository(mux, dir, o.url); err != nil {
		log.Print("trust: no git here: ", err)
	}
	o.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o.requests.Add(1)
			mux.ServeHTTP(w, r)
		}),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{cert},
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				o.hellos.Add(1)
				return nil, nil
			},
		},
		// Clients that refuse the certificate are what this is about.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() {
		if err := o.server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			log.Print("origin: ", err)
		}
	}()
	return o, nil
}

// page answers what is nothing else's.
func page(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, ".js"):
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprintf(w, "console.log(%q)\n", secret)
	case strings.HasPrefix(r.URL.Path, "/page/"):
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!doctype html><title>origin</title><p>%s</p>\n", secret)
	case strings.HasPrefix(r.URL.Path, "/files/"):
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintln(w, secret)
	default:
		http.NotFound(w, r)
	}
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

func selfSigned(ip net.IP) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "origin"}, IPAddresses: []net.IP{ip}, DNSNames: []string{originName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// repository serves a git repository, and one object of large-file storage.
func repository(mux *http.ServeMux, dir, url string) error {
	backend, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return err
	}
	script := `git init -q -b main work && cd work && printf '%s\n' "$0" >README && git add .
git -c user.name=Build -c user.email=build@example.com commit -qm first
cd .. && git clone -q --bare work repository.git`
	cmd := exec.Command("sh", "-ec", script, secret)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	mux.Handle("/git/", &cgi.Handler{
		Path:       filepath.Join(strings.TrimSpace(string(backend)), "git-http-backend"),
		Root:       "/git",
		Env:        []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
		InheritEnv: []string{"PATH", "HOME"},
	})
	object := file{data: []byte(secret + "\n")}
	mux.HandleFunc("POST /git/repository.git/info/lfs/objects/batch", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
		_, _ = w.Write(asJSON(map[string]any{"transfer": "basic", "objects": []any{map[string]any{ // the client would notice
			"oid": object.sha256(), "size": len(object.data), "authenticated": true,
			"actions": map[string]any{"download": map[string]any{"href": url + "/files/large.bin"}},
		}}}))
	})
	return nil
}
