package proxy

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// refusing is how clients with other roots end a connection.
type refusing struct {
	name   string
	config *tls.Config
	// after is what the client does when the handshake is over; nil when that
	// fails.
	after func(*tls.Conn)
	times int // until it is told from an accident
}

func refusals() []refusing {
	var list []refusing
	for _, protocols := range [][]string{nil, {"http/1.1"}, {"h2", "http/1.1"}} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			add := func(what string, roots *x509.CertPool, verify func(tls.ConnectionState) error, after func(*tls.Conn), times int) {
				list = append(list, refusing{
					name: fmt.Sprintf("%s %q %s", tls.VersionName(version), protocols, what),
					config: &tls.Config{
						ServerName: fmt.Sprintf("pinned-%d.example", len(list)), NextProtos: protocols, MinVersion: version, MaxVersion: version,
						RootCAs: roots, InsecureSkipVerify: roots == nil, VerifyConnection: verify,
					},
					after: after, times: times,
				})
			}
			add("other roots", x509.NewCertPool(), nil, nil, 1)
			add("pinned", nil, func(tls.ConnectionState) error { return errGone }, nil, 1)
			add("gone in the handshake", nil, func(tls.ConnectionState) error { panic(errGone) }, nil, 2)
			add("closes after it", nil, nil, func(c *tls.Conn) { c.Close() }, 2)
			add("gone after it", nil, nil, func(c *tls.Conn) { c.NetConn().Close() }, 2)
			add("reset after it", nil, nil, func(c *tls.Conn) {
				c.NetConn().(*net.TCPConn).SetLinger(0)
				c.NetConn().Close()
			}, 2)
		}
	}
	return list
}

var errGone = errors.New("gone")

// connect is one attempt of such a client.
func (f *refusing) connect(t *testing.T, r *rig) {
	raw, err := r.dial(t.Context(), "tcp", f.config.ServerName+":443")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := tls.Client(raw, f.config)
	func() {
		defer func() {
			if e := recover(); e != nil && e != errGone {
				panic(e)
			}
		}()
		err = errGone
		err = c.Handshake()
	}()
	if (err == nil) != (f.after != nil) {
		t.Fatalf("handshake: %v", err)
	}
	if f.after != nil {
		f.after(c)
	}
}

func TestRefusedCertificate(t *testing.T) {
	r := newRig(t, http.NotFoundHandler(), rigOptions{client: func(net.Conn) string { return "a-client" }})
	for _, f := range refusals() {
		t.Run(f.name, func(t *testing.T) {
			for range f.times {
				f.connect(t, r)
			}
			x := r.obstacle("https://" + f.config.ServerName)
			if x.Obstacle != CertificateRefused || x.Outcome != Error || x.Method != "CONNECT" || x.Client != "a-client" {
				t.Errorf("recorded %+v", x)
			}
			if f.times == 1 && !strings.HasPrefix(x.Reason, "the client refuses the certificate: ") {
				t.Errorf("reason %q", x.Reason)
			}
		})
	}
}

// obstacle waits for the record of one at a URL. That of an attempt before it may come
// later, and be a failure like others.
func (r *rig) obstacle(url string) Exchange {
	r.t.Helper()
	for range 2000 {
		r.mu.Lock()
		i := slices.IndexFunc(r.seen, func(x Exchange) bool { return x.URL == url && x.Obstacle != "" })
		if i >= 0 {
			defer r.mu.Unlock()
			return r.seen[i]
		}
		r.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	r.t.Fatalf("no obstacle at %s was recorded", url)
	return Exchange{}
}

// OpenSSL sends the alert that ends a handshake of TLS 1.3 in clear text.
func TestAlertInClearText(t *testing.T) {
	r := newRig(t, http.NotFoundHandler(), rigOptions{})
	for _, c := range []struct {
		alert byte
		want  Obstacle
	}{{48, CertificateRefused}, {46, CertificateRefused}, {80, ""}} {
		raw, err := r.dial(t.Context(), "tcp", "pinned.example:443")
		if err != nil {
			t.Fatal(err)
		}
		sends := &sendsInstead{Conn: raw, hellos: 1, instead: []byte{20, 3, 3, 0, 1, 1, 21, 3, 3, 0, 2, 2, c.alert}}
		tls.Client(sends, &tls.Config{ServerName: "pinned.example", InsecureSkipVerify: true}).Handshake()
		raw.Close()
		if x := r.last(); x.Obstacle != c.want || x.Outcome != Error {
			t.Errorf("alert %d: %+v", c.alert, x)
		}
	}
}

// sendsInstead lets so many writes through.
type sendsInstead struct {
	net.Conn
	hellos  int
	instead []byte
}

func (s *sendsInstead) Write(p []byte) (int, error) {
	if s.hellos--; s.hellos >= 0 {
		return s.Conn.Write(p)
	}
	if _, err := s.Conn.Write(s.instead); err != nil {
		return 0, err
	}
	s.Conn.(*net.TCPConn).CloseWrite()
	return 0, io.ErrClosedPipe
}

// Connections that a client opened in advance, or needs no more, are no refusal.
func TestUnusedConnections(t *testing.T) {
	asked := 0
	r := newRig(t, http.NotFoundHandler(), rigOptions{client: func(net.Conn) string { asked++; return "" }})
	for _, protocols := range [][]string{nil, {"http/1.1"}, {"h2"}} {
		if a := r.get("https://pinned.example/"); a.err != nil {
			t.Fatal(a.err)
		}
		r.last()
		f := refusing{config: &tls.Config{ServerName: "pinned.example", InsecureSkipVerify: true, NextProtos: protocols}, after: func(c *tls.Conn) { c.Close() }}
		for range 3 {
			f.connect(t, r)
		}
	}
	f := refusing{config: &tls.Config{ServerName: "other.example", InsecureSkipVerify: true}, after: func(c *tls.Conn) { c.Close() }}
	f.connect(t, r)
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.seen {
		if x.Obstacle != "" || x.Outcome == Error {
			t.Errorf("recorded %+v", x)
		}
	}
	if asked > 0 {
		t.Errorf("clients that got through were looked up %d times", asked)
	}
}

// A client whose first attempt was refused is named at the next one while it
// waits: at the end it may be gone.
func TestSuspectsAreNamedAtOnce(t *testing.T) {
	var order []string
	r := newRig(t, http.NotFoundHandler(), rigOptions{client: func(net.Conn) string {
		order = append(order, "named")
		return "a-client"
	}})
	f := refusing{config: &tls.Config{ServerName: "pinned.example", InsecureSkipVerify: true}}
	f.config.VerifyConnection = func(tls.ConnectionState) error { order = append(order, "shown"); return errGone }
	for range 2 {
		f.connect(t, r)
		r.last()
	}
	if got := strings.Join(order, " "); got != "shown named named shown" {
		t.Errorf("the order is %q", got)
	}
}

func TestEncryptedHello(t *testing.T) {
	configs := echConfigs(t, "public.example")
	for _, protocols := range [][]string{nil, {"http/1.1"}, {"h2"}} {
		r := newRig(t, http.NotFoundHandler(), rigOptions{name: "secret.example"})
		raw, err := r.dial(t.Context(), "tcp", "secret.example:443")
		if err != nil {
			t.Fatal(err)
		}
		c := tls.Client(raw, &tls.Config{
			ServerName: "secret.example", NextProtos: protocols, EncryptedClientHelloConfigList: configs,
			EncryptedClientHelloRejectionVerify: func(tls.ConnectionState) error { return nil },
		})
		var rejected *tls.ECHRejectionError
		if err := c.HandshakeContext(context.Background()); !errors.As(err, &rejected) {
			t.Fatalf("handshake: %v", err)
		}
		raw.Close()
		if x := r.last(); x.Obstacle != HelloEncrypted || x.URL != "https://secret.example" || x.Outcome != Error {
			t.Errorf("%q: recorded %+v", protocols, x)
		}
	}
}

// echConfigs is a list of one ECHConfig (RFC 9849 section 4) for a key that
// nobody has: X25519, HKDF-SHA256, AES-128-GCM.
func echConfigs(t *testing.T, publicName string) []byte {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(list *cryptobyte.Builder) {
		list.AddUint16(encryptedClientHello)
		list.AddUint16LengthPrefixed(func(c *cryptobyte.Builder) {
			c.AddUint8(1)       // config_id
			c.AddUint16(0x0020) // the KEM
			c.AddUint16LengthPrefixed(func(k *cryptobyte.Builder) { k.AddBytes(key.PublicKey().Bytes()) })
			c.AddUint16LengthPrefixed(func(suites *cryptobyte.Builder) { suites.AddUint32(0x0001_0001) })
			c.AddUint8(32) // maximum_name_length
			c.AddUint8LengthPrefixed(func(n *cryptobyte.Builder) { n.AddBytes([]byte(publicName)) })
			c.AddUint16(0) // extensions
		})
	})
	return b.BytesOrPanic()
}
