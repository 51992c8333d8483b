package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Streams may be silent for as long as their ends like: what stands for hours
// here is more than the longest time-out that there is while a body is read.
const (
	shortStall = 10 * time.Millisecond
	longIdle   = 2 * patience * shortStall
)

// TestIdleEvents: server-sent events, which are not kept.
func TestIdleEvents(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: 1\n\n")
		http.NewResponseController(w).Flush()
		<-time.After(longIdle)
		io.WriteString(w, "data: 2\n\n")
	}), rigOptions{stall: shortStall})
	r.want(r.get("https://registry.example/events"), 200, "data: 1\n\ndata: 2\n\n", Pass)
	r.want(r.get("http://registry.example/events"), 200, "data: 1\n\ndata: 2\n\n", Pass)
}

// TestIdleCall is a gRPC call with both sides silent between its messages.
func TestIdleCall(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.ProtoMajor != 2 {
			t.Errorf("arrived by %s", req.Proto)
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		http.NewResponseController(w).Flush()
		messages := bufio.NewReader(req.Body)
		for {
			line, err := messages.ReadString('\n')
			if err != nil {
				break
			}
			io.WriteString(w, "got "+line)
			http.NewResponseController(w).Flush()
		}
		w.Header().Set("Grpc-Status", "0")
	}), rigOptions{stall: shortStall})
	body, send := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://registry.example/package.Service/Call", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	resp, err := r.client(true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answers := bufio.NewReader(resp.Body)
	for _, message := range []string{"one\n", "two\n"} {
		<-time.After(longIdle)
		io.WriteString(send, message)
		if got, err := answers.ReadString('\n'); got != "got "+message {
			t.Fatalf("%q, %v", got, err)
		}
	}
	send.Close()
	if rest, err := io.ReadAll(answers); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	if got := resp.Trailer.Get("Grpc-Status"); got != "0" {
		t.Errorf("the trailer is %q", got)
	}
	r.wantOutcome(Pass)
}

// TestIdleUpgraded is a WebSocket, as far as a proxy sees it.
func TestIdleUpgraded(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello\n")
		io.Copy(c, b)
	}), rigOptions{stall: shortStall})
	for _, scheme := range []string{"http", "https"} {
		port := map[string]string{"http": "80", "https": "443"}[scheme]
		c, err := r.dial(t.Context(), "tcp", net.JoinHostPort("registry.example", port))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if scheme == "https" {
			c = tls.Client(c, &tls.Config{ServerName: "registry.example", InsecureSkipVerify: true})
		}
		io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: registry.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		from := bufio.NewReader(c)
		resp, err := http.ReadResponse(from, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		for _, want := range []string{"hello\n", "one\n", "two\n"} {
			if want != "hello\n" {
				<-time.After(longIdle)
				io.WriteString(c, want)
			}
			if got, err := from.ReadString('\n'); got != want {
				t.Fatalf("%s: %q, %v", scheme, got, err)
			}
		}
		c.Close()
		x := r.last()
		if x.Outcome != Pass || x.Reason != "upgrade to websocket" {
			t.Errorf("%+v", x)
		}
	}
}

// TestIdleTunnel: what is not HTTP.
func TestIdleTunnel(t *testing.T) {
	r := newRig(t, nil, rigOptions{dial: greeter(t, "").dial, stall: shortStall})
	c := r.tunnelTo(t, 5432)
	for _, want := range []string{"one\n", "two\n"} {
		io.WriteString(c, want)
		<-time.After(longIdle)
		if got, err := bufio.NewReader(c).ReadString('\n'); got != want {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// No time-out of the server itself is about streams.
func TestServerTimeouts(t *testing.T) {
	p := &Proxy{}
	p.Log = slog.New(slog.DiscardHandler)
	if s := p.newServer(); s.ReadTimeout != 0 || s.WriteTimeout != 0 {
		t.Errorf("%+v", s)
	}
}

// TestServerSpeaksFirst: SSH and SMTP, by name and by address.
func TestServerSpeaksFirst(t *testing.T) {
	for _, c := range []struct {
		name, says, want string
		port             uint16
	}{
		{"", "SSH-2.0-server\r\n", "198.18.0.1:22", 22},
		{"git.example", "SSH-2.0-server\r\n", "git.example:22", 22},
		{"mail.example", "220 mail.example ESMTP\r\n", "mail.example:25", 25},
		{"", "220 mail.example ESMTP\r\n", "198.18.0.1:587", 587},
	} {
		g := greeter(t, c.says)
		r := newRig(t, nil, rigOptions{dial: g.dial, name: c.name})
		conn := r.tunnelTo(t, c.port)
		from := bufio.NewReader(conn)
		if got, err := from.ReadString('\n'); got != c.says {
			t.Errorf("%s: %q, %v", c.want, got, err)
		}
		io.WriteString(conn, "EHLO\r\n")
		if got, err := from.ReadString('\n'); got != "EHLO\r\n" {
			t.Errorf("%s: %q, %v", c.want, got, err)
		}
		conn.CloseWrite()
		if rest, err := io.ReadAll(from); len(rest) > 0 || err != nil {
			t.Errorf("%s: %q, %v", c.want, rest, err)
		}
		if x := r.last(); x.Outcome != Tunnel || x.URL != "tcp://"+c.want || !strings.HasSuffix(g.dialled(), c.want) {
			t.Errorf("%+v, dialled %s", x, g.dialled())
		}
	}
}

// TestLocal: a server of this machine is reached as it is, at the first address
// at which it listens, offline and denied as well. One that is not there any more
// is a reset, not an empty answer.
func TestLocal(t *testing.T) {
	all, err := ParseHosts([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	const hello = "\x16\x03\x01 looks like TLS\n"
	there := netip.MustParseAddrPort(greeter(t, hello).listener.Addr().String())
	gone := greeter(t, "")
	gone.listener.Close()
	none := netip.MustParseAddrPort(gone.listener.Addr().String())
	for _, c := range []struct {
		servers []netip.AddrPort
		want    Outcome
	}{
		{[]netip.AddrPort{there}, Tunnel}, {[]netip.AddrPort{none, there}, Tunnel}, {[]netip.AddrPort{none, none}, Error},
	} {
		r := newRig(t, nil, rigOptions{
			offline: true, reach: Reach{Deny: all}, local: func(netip.AddrPort) []netip.AddrPort { return c.servers },
		})
		conn := r.tunnelTo(t, 443)
		if c.want == Error {
			if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read %d, %v", n, err)
			}
			r.wantOutcome(Error)
			continue
		}
		io.WriteString(conn, hello)
		conn.CloseWrite()
		if b, err := io.ReadAll(conn); string(b) != hello+hello || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		if x := r.last(); x.Outcome != Tunnel || x.URL != "tcp://"+c.servers[0].String() {
			t.Errorf("%+v", x)
		}
	}
}

// TestPostgres: a client that asks first whether TLS may follow.
func TestPostgres(t *testing.T) {
	g := greeter(t, "")
	r := newRig(t, nil, rigOptions{dial: g.dial, name: "db.example"})
	conn := r.tunnelTo(t, 5432)
	question := "\x00\x00\x00\x08\x04\xd2\x16\x2f" // SSLRequest
	hello := "\x16\x03\x01\x00\x05later"           // on the same connection
	for _, b := range []string{question, hello} {
		io.WriteString(conn, b)
		got := make([]byte, len(b))
		if _, err := io.ReadFull(conn, got); string(got) != b {
			t.Fatalf("%q, %v", got, err)
		}
	}
	conn.Close()
	if x := r.last(); x.Outcome != Tunnel || x.URL != "tcp://db.example:5432" {
		t.Errorf("%+v", x)
	}
}

// TestOfflineSilence: offline nobody greets, and a client that waits for it is
// let go.
func TestOfflineSilence(t *testing.T) {
	r := newRig(t, nil, rigOptions{offline: true, name: "mail.example"})
	conn := r.tunnelTo(t, 25)
	if b, err := io.ReadAll(conn); len(b) > 0 || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if x := r.last(); x.Outcome != Refused || x.URL != "tcp://mail.example:25" {
		t.Errorf("%+v", x)
	}
}

// TestDeniedTunnels: a denied host is not dialled, whoever would speak first.
func TestDeniedTunnels(t *testing.T) {
	deny, err := ParseHosts([]string{"git.example:22", "198.18.0.1:5432"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, sends string
		port        uint16
	}{
		{"git.example", "", 22}, {"git.example", "SSH-2.0-client\r\n", 22}, {"", "\x00\x00\x00\x08\x04\xd2\x16\x2f", 5432},
	} {
		g := greeter(t, "hello\n")
		r := newRig(t, nil, rigOptions{dial: g.dial, name: c.name, reach: Reach{Deny: deny}})
		conn := r.tunnelTo(t, c.port)
		io.WriteString(conn, c.sends)
		if b, _ := io.ReadAll(conn); len(b) > 0 {
			t.Errorf("%+v: got %q", c, b)
		}
		if x := r.last(); x.Outcome != Refused || x.Cause != CauseDenied || g.dialled() != "" {
			t.Errorf("%+v: %+v, dialled %q", c, x, g.dialled())
		}
	}
}

// echoServer greets, if it is to, and sends back what it gets.
type echoServer struct {
	listener net.Listener
	asked    chan string
}

func greeter(t *testing.T, says string) *echoServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, says)
				io.Copy(c, c)
			}()
		}
	}()
	return &echoServer{listener: l, asked: make(chan string, 10)}
}

func (g *echoServer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	g.asked <- address
	return (&net.Dialer{}).DialContext(ctx, network, g.listener.Addr().String())
}

// dialled is the address that was dialled first, "" when none was.
func (g *echoServer) dialled() string {
	select {
	case a := <-g.asked:
		g.asked <- a
		return a
	default:
		return ""
	}
}

// tunnelTo connects to a port of an address through the proxy.
func (r *rig) tunnelTo(t *testing.T, port uint16) *net.TCPConn {
	t.Helper()
	c, err := r.dial(t.Context(), "tcp", net.JoinHostPort("", strconv.Itoa(int(port))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}
