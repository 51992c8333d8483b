package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// Programs that builds in corners of the network are made of. Each is the whole
// of one line in the table of TestMain.

// lookup asks one name server: lookup udp|tcp|tls SERVER NAME.
func lookup() {
	how, server, name := os.Args[1], os.Args[2], os.Args[3]
	r := net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if how == "tls" {
			return (&tls.Dialer{Config: &tls.Config{ServerName: server}}).DialContext(ctx, "tcp", server+":853")
		}
		return (&net.Dialer{}).DialContext(ctx, how, server+":53")
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	addrs, err := r.LookupHost(ctx, name)
	if err != nil {
		fail("lookup", err)
	}
	for _, a := range addrs {
		fmt.Println(a)
	}
}

// forward starts a proxy on loopback and runs its arguments with it.
func forward() {
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			(&httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}, Transport: &http.Transport{}}).ServeHTTP(w, r)
			return
		}
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			fail("forward", err)
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go io.Copy(up, c)
		io.Copy(c, up)
		c.Close()
	}))
	os.Setenv("HTTP_PROXY", p.URL)
	os.Setenv("HTTPS_PROXY", p.URL)
	runWith("forward", os.Args[1:])
}

// secure starts a server of HTTPS with a certificate of its own, which it writes
// to a file, and runs its other arguments with the port as $SECURE.
func secure() {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secured\n") }))
	s.StartTLS()
	s.Config.ErrorLog = nil
	// The test server's certificate is for "example.com" and 127.0.0.1.
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(os.Args[1], b, 0o644); err != nil {
		fail("secure", err)
	}
	os.Setenv("SECURE", strconv.Itoa(s.Listener.Addr().(*net.TCPAddr).Port))
	runWith("secure", os.Args[2:])
}

// burst opens N connections, and when all are open sends a request on each.
func burst() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fail("burst", err)
	}
	var open, done sync.WaitGroup
	var mu sync.Mutex
	answers := 0
	open.Add(n)
	for range n {
		done.Go(func() {
			opened := sync.OnceFunc(open.Done)
			defer opened() // also when it fails
			tr := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := (&net.Dialer{}).DialContext(ctx, network, address)
				opened()
				open.Wait()
				return c, err
			}}
			resp, err := (&http.Client{Transport: tr, Timeout: 2 * time.Minute}).Get(os.Args[2])
			if err != nil {
				fmt.Fprintln(os.Stderr, "burst:", err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err == nil && resp.StatusCode == 200 && len(b) > 0 {
				mu.Lock()
				answers++
				mu.Unlock()
			}
		})
	}
	done.Wait()
	fmt.Println(answers, "answers")
}

func runWith(name string, args []string) {
	c := exec.Command(args[0], args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		fail(name, err)
	}
}

func fail(name string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	os.Exit(1)
}
