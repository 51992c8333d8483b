package proxy

import (
	"crypto/tls"
	"net/http"
	"testing"
)

// A client resumes its TLS session on any later connection, and a session of one host
// is none of another's.
func TestResumedSessions(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), rigOptions{})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cache := tls.NewLRUClientSessionCache(10)
		for i, c := range []struct {
			name    string
			resumed bool
		}{{"registry.example", false}, {"registry.example", true}, {"other.example", false}, {"registry.example", true}} {
			raw, err := r.dial(t.Context(), "tcp", c.name+":443")
			if err != nil {
				t.Fatal(err)
			}
			conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: c.name, ClientSessionCache: cache, MaxVersion: version})
			w := &wire{r, conn, nil}
			w.send("GET /a HTTP/1.1\r\nHost: " + c.name + "\r\nConnection: close\r\n\r\n")
			if _, err := conn.Read(make([]byte, 1)); err != nil { // and with it the ticket
				t.Fatal(err)
			}
			if s := conn.ConnectionState(); s.DidResume != c.resumed || s.CurveID == tls.X25519MLKEM768 {
				t.Errorf("%s, connection %d to %s: %+v", tls.VersionName(version), i, c.name, s)
			}
			conn.Close()
		}
	}
}
