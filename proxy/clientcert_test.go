package proxy

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A server that wants a certificate of its client is told from one that fails
// for another reason.
func TestClientCertificate(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, h2 := range []bool{false, true} {
			for _, c := range []struct {
				name    string
				auth    tls.ClientAuthType
				status  int
				outcome Outcome
				want    Obstacle
			}{
				{"required", tls.RequireAnyClientCert, 200, Error, ClientCertificate},
				{"required by HTTP", tls.RequestClientCert, 400, Pass, ClientCertificate},
				{"missing", tls.RequestClientCert, 404, Pass, ""},
				{"optional", tls.RequestClientCert, 200, Pass, ""},
				{"not asked for", tls.NoClientCert, 403, Pass, ""},
			} {
				name := tls.VersionName(version) + " " + c.name
				r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.TLS.Version != version || (r.ProtoMajor == 2) != h2 {
						t.Errorf("%s: the origin was asked with %s, %s", name, tls.VersionName(r.TLS.Version), r.Proto)
					}
					w.Header().Set("Cache-Control", "no-store")
					w.WriteHeader(c.status)
				}), rigOptions{noH2: !h2})
				r.proxy.Upstream.(*http.Transport).TLSClientConfig.MaxVersion = version
				// What a server asks for is part of its configuration.
				r.origin.TLS.ClientAuth = c.auth
				r.get("https://api.example/")
				if x := r.last(); x.Outcome != c.outcome || x.Obstacle != c.want {
					t.Errorf("%s: %+v", name, x)
				}
				r.stop()
			}
		}
	}
}

// A host is known for it on each of its connections, others are not.
func TestClientCertificateByHost(t *testing.T) {
	r := newRig(t, http.NotFoundHandler(), rigOptions{})
	asking := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "no certificate")
	}))
	asking.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	asking.StartTLS()
	defer asking.Close()
	for range 2 { // the second on a connection that is open already
		r.get(asking.URL + "/")
		if x := r.last(); x.Obstacle != ClientCertificate {
			t.Errorf("recorded %+v", x)
		}
	}
}
