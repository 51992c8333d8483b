package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// origin is every server of the world, behind the proxy that the host's
// environment names. A document is a file, www/HOST/PATH. A file PATH.header
// beside it has fields of the answer. These paths are more than files:
//
//	/moved/PATH      302 to /PATH
//	/away            302 to another host
//	/signed/PATH     302 to /PATH with the query, as to signed URLs
//	/status-NNN/…    that status
//	/slow/PATH       PATH, a second for the last byte
//	/cut/PATH        PATH, whose connection breaks off in the middle
//	/PATH            PATH.document, where PATH is a folder
//	/echo            answers a POST with its body
//	/fields/PATH     the fields X-… of the request, and so does /other-fields/PATH
//	/leave/PATH      302 to another host's /PATH
//	/token           a token for everybody, another one each time
//	/v2/…            a registry of images, which has what a test has pushed
type origin struct {
	www, bundle string
	listener    net.Listener
	server      *http.Server
	cert        tls.Certificate
	images      http.Handler

	mu       sync.Mutex
	down     bool
	requests []string
	conns    map[net.Conn]bool
}

func startOrigin(dir string) (*origin, error) {
	o := &origin{images: registry.New(registry.Logger(log.New(io.Discard, "", 0))), www: filepath.Join(dir, "www"), bundle: filepath.Join(dir, "origin.pem"), conns: map[net.Conn]bool{}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "origin"},
		DNSNames:  []string{"registry.example", "*.registry.example", "other.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	o.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(o.bundle, b, 0o644); err != nil {
		return nil, err
	}
	if o.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	o.server = &http.Server{Handler: o}
	go o.server.Serve(o.listener) // until close
	return o, nil
}

func (o *origin) close() {
	o.server.Close()
	o.setUp(false)
}

func (o *origin) proxyURL() string { return "http://" + o.listener.Addr().String() }

func (o *origin) setUp(up bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = !up
	for c := range o.conns {
		c.Close()
	}
}

func (o *origin) takeRequests() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.requests
	o.requests = nil
	return r
}

// ServeHTTP is the proxy.
func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	down := o.down
	o.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler)
	}
	if r.Method != http.MethodConnect {
		o.document(w, r, r.URL.Hostname())
		return
	}
	raw, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer raw.Close()
	o.mu.Lock()
	o.conns[raw] = true
	o.mu.Unlock()
	io.WriteString(raw, "HTTP/1.1 200 OK\r\n\r\n")
	host, _, _ := net.SplitHostPort(r.Host)
	inner := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{o.cert}})
	one := &oneListener{conn: inner, done: make(chan struct{})}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.document(w, r, host) })}
	s.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			one.once.Do(func() { close(one.done) })
		}
	}
	s.Serve(one)
}

// oneListener accepts one connection, and ends when that is closed.
type oneListener struct {
	conn net.Conn
	done chan struct{}
	once sync.Once
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }

func (o *origin) document(w http.ResponseWriter, r *http.Request, host string) {
	o.mu.Lock()
	o.requests = append(o.requests, r.Method+" "+host+r.URL.RequestURI())
	o.mu.Unlock()
	path := r.URL.Path
	kind, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if code, err := strconv.Atoi(strings.TrimPrefix(kind, "status-")); err == nil {
		http.Error(w, "origin: "+http.StatusText(code), code)
		return
	}
	switch kind {
	case "v2":
		o.images.ServeHTTP(w, r)
		return
	case "token":
		fmt.Fprintf(w, `{"token":"%s"}`, rand.Text())
		return
	case "moved":
		http.Redirect(w, r, "/"+rest, http.StatusFound)
		return
	case "signed":
		http.Redirect(w, r, "https://other.example/"+rest+"?"+r.URL.RawQuery, http.StatusFound)
		return
	case "away":
		http.Redirect(w, r, "https://other.example/b-1.0.0.tgz", http.StatusFound)
		return
	case "fields", "other-fields":
		fmt.Fprintf(w, "at %s\n", host)
		for name, values := range r.Header {
			if strings.HasPrefix(name, "X-") {
				fmt.Fprintf(w, "%s: %s\n", name, strings.Join(values, ", "))
			}
		}
		return
	case "leave":
		http.Redirect(w, r, "https://other.example/"+rest, http.StatusFound)
		return
	case "echo":
		io.Copy(w, r.Body)
		return
	case "slow", "cut":
		path = "/" + rest
	}
	file := filepath.Join(o.www, host, filepath.FromSlash(path))
	if strings.HasSuffix(path, "/") {
		file = filepath.Join(file, "index.html")
	}
	b, err := os.ReadFile(file)
	if err != nil { // a document whose name is a folder's as well
		b, err = os.ReadFile(file + ".document")
	}
	if err != nil {
		http.Error(w, "origin: no such document", http.StatusNotFound)
		return
	}
	o.fields(w.Header(), file+".header")
	switch kind {
	case "slow":
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.Write(b[:len(b)-1])
		http.NewResponseController(w).Flush()
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
		}
		w.Write(b[len(b)-1:])
	case "cut":
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.Write(b[:len(b)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(b)))
		http.ServeContent(w, r, file, time.Time{}, strings.NewReader(string(b)))
	}
}

func (o *origin) fields(h http.Header, file string) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ": "); ok {
			h.Add(name, value)
		}
	}
}
