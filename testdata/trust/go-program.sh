# client: Go programs (crypto/x509)
# family: Go
# looks: first of a list of bundles, and all files of /etc/ssl/certs
# given: the merged bundle; SSL_CERT_FILE
# quick
install() {
  need go
  once go-program sh -c 'cat >main.go && CGO_ENABLED=0 go build -o fetch main.go' <<'GO'
package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	r, err := http.Get(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, r.Body)
}
GO
}
version() { go version; }
get() { "$DIR/go-program/fetch" "$ORIGIN/files/go"; }
