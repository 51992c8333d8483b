package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// fetch is the scripts' HTTP client. It needs nothing of the machine, and like
// curl -f it fails with 22 for an error's status.
func fetch() {
	os.Exit(runFetch(os.Args[1:]))
}

func runFetch(args []string) int {
	f := flag.NewFlagSet("fetch", flag.ExitOnError)
	method := f.String("X", "GET", "method")
	body := f.String("d", "", "body of the request")
	show := f.Bool("i", false, "print the status and the fields as well")
	noFail := f.Bool("e", false, "print an error's body instead of failing")
	roots := f.String("roots", "", "the only certificates to trust, a `FILE`")
	var fields []string
	f.Func("H", "a field, `NAME: VALUE`", func(s string) error { fields = append(fields, s); return nil })
	f.Parse(args)
	client := &http.Client{Timeout: 30 * time.Second}
	if *roots != "" {
		b, err := os.ReadFile(*roots)
		if err != nil {
			return complainFetch(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(b)
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	}
	for _, u := range f.Args() {
		r, err := http.NewRequest(*method, u, strings.NewReader(*body))
		if err != nil {
			return complainFetch(err)
		}
		for _, s := range fields {
			name, value, _ := strings.Cut(s, ": ")
			r.Header.Add(name, value)
			if name == "Host" {
				r.Host = value // net/http looks nowhere else
			}
		}
		resp, err := client.Do(r)
		if err != nil {
			return complainFetch(err)
		}
		if *show {
			fmt.Printf("%s %s\n", resp.Proto, resp.Status)
			resp.Header.Write(os.Stdout)
		}
		if resp.StatusCode >= 400 && !*noFail {
			fmt.Fprintf(os.Stderr, "fetch: %s\n", resp.Status)
			resp.Body.Close()
			return 22
		}
		_, err = io.Copy(os.Stdout, resp.Body)
		resp.Body.Close()
		if err != nil {
			return complainFetch(err)
		}
	}
	return 0
}

func complainFetch(err error) int {
	fmt.Fprintln(os.Stderr, "fetch:", err)
	return 1
}
