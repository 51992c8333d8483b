package dns

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// patience is how long an answer on loopback may take on a busy machine.
const patience = 5 * time.Second

// serve runs a resolver on loopback sockets until the test ends or stop is
// called, which returns what Serve returned.
func serve(t *testing.T, r *Resolver) (udp, tcp string, stop func() error) {
	t.Helper()
	var lc net.ListenConfig
	packets, err := lc.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streams, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- r.Serve(ctx, []net.PacketConn{packets}, []net.Listener{streams})
		close(done)
	}()
	stop = func() error { cancel(); return <-done }
	t.Cleanup(func() { stop() })
	return packets.LocalAddr().String(), streams.Addr().String(), stop
}

func TestServe(t *testing.T) {
	r := &Resolver{Lookup: func(_ context.Context, name string) error {
		if name == "gone.example" {
			return &net.DNSError{IsNotFound: true}
		}
		return nil
	}}
	udp, tcp, stop := serve(t, r)
	for network, server := range map[string]string{"udp": udp, "tcp": tcp} {
		c := &dns.Client{Net: network, Timeout: patience}
		for _, k := range []struct {
			name    string
			qtype   uint16
			rcode   int
			answers int
		}{
			{"rEgistry.example.", dns.TypeA, dns.RcodeSuccess, 1},
			{"registry.example.", dns.TypeAAAA, dns.RcodeSuccess, 0},
			{"registry.example.", dns.TypeHTTPS, dns.RcodeSuccess, 0},
			{"gone.example.", dns.TypeA, dns.RcodeNameError, 0},
			{"localhost.", dns.TypeAAAA, dns.RcodeSuccess, 1},
			{longest(), dns.TypeA, dns.RcodeSuccess, 1},
		} {
			q := new(dns.Msg).SetQuestion(k.name, k.qtype)
			a, _, err := c.ExchangeContext(t.Context(), q, server)
			if err != nil {
				t.Errorf("%s %s type %d: %v", network, k.name, k.qtype, err)
				continue
			}
			if a.Rcode != k.rcode || len(a.Answer) != k.answers || a.Question[0] != q.Question[0] || a.Truncated {
				t.Errorf("%s %s type %d: %v", network, k.name, k.qtype, a)
			}
		}
	}
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.DialTimeout("tcp", tcp, patience); err == nil {
		t.Error("the listener is still open")
	}
}

// What is no question gets no address, and the next question its answer.
func TestMalformedPackets(t *testing.T) {
	r := &Resolver{}
	udp, tcp, _ := serve(t, r)
	response := new(dns.Msg).SetQuestion("loop.example.", dns.TypeA)
	response.Response = true
	echo, err := response.Pack()
	if err != nil {
		t.Fatal(err)
	}
	head := []byte{0xbe, 0xef, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for what, junk := range map[string][]byte{
		"short head":        head[:11],
		"one byte":          {0},
		"no question":       head,
		"endless pointer":   append(head[:12:12], 0xc0, 12, 0, 1, 0, 1),
		"label past end":    append(head[:12:12], 63, 'a'),
		"an answer":         echo,
		"text":              []byte("GET / HTTP/1.1\r\nHost: registry.example\r\n\r\n"),
		"question cut":      echo[:len(echo)-3],
		"nothing but bytes": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		for network, server := range map[string]string{"udp": udp, "tcp": tcp} {
			conn, err := net.DialTimeout(network, server, patience)
			if err != nil {
				t.Fatalf("%s on %s: %v", what, network, err)
			}
			conn.SetDeadline(time.Now().Add(patience))
			if network == "tcp" {
				junk = append([]byte{0, byte(len(junk))}, junk...)
			}
			_, err = conn.Write(junk)
			if err != nil {
				t.Errorf("%s on %s: %v", what, network, err)
			}
			conn.Close()
		}
		c := &dns.Client{Timeout: patience}
		a, _, err := c.ExchangeContext(t.Context(), new(dns.Msg).SetQuestion("registry.example.", dns.TypeA), udp)
		if err != nil || len(a.Answer) != 1 {
			t.Errorf("the question after %s: %v, %v", what, a, err)
		}
	}
	if len(r.byName) != 1 {
		t.Errorf("packets that ask nothing made names: %v", r.byName)
	}
}

// An answer that is sent to us must not be answered: two servers would talk
// for ever.
func TestAnswersAreNotAnswered(t *testing.T) {
	udp, _, _ := serve(t, &Resolver{})
	conn, err := dns.DialTimeout("udp", udp, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	first := new(dns.Msg).SetQuestion("registry.example.", dns.TypeA)
	first.Response = true
	second := new(dns.Msg).SetQuestion("registry.example.", dns.TypeA)
	second.Id = first.Id + 1
	for _, m := range []*dns.Msg{first, second} {
		if err := conn.WriteMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	if a, err := conn.ReadMsg(); err != nil || a.Id != second.Id {
		t.Errorf("the answer is %v, %v; want that to question %d", a, err, second.Id)
	}
}

// The run's end waits for no client: not for one that keeps its connection
// open and not for a host's resolver that is silent.
func TestServeEndsAtOnce(t *testing.T) {
	asked := make(chan struct{})
	r := &Resolver{Lookup: func(ctx context.Context, name string) error {
		if name == "silent.example" {
			close(asked)
			<-ctx.Done()
		}
		return ctx.Err()
	}}
	udp, tcp, stop := serve(t, r)
	idle, err := dns.DialTimeout("tcp", tcp, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	c := &dns.Client{Net: "tcp", Timeout: patience}
	if _, _, err := c.ExchangeWithConnContext(t.Context(), new(dns.Msg).SetQuestion("registry.example.", dns.TypeA), idle); err != nil {
		t.Fatal(err)
	}
	silent, err := dns.DialTimeout("udp", udp, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if err := silent.WriteMsg(new(dns.Msg).SetQuestion("silent.example.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	<-asked
	start := time.Now()
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	// Idle connections would be waited for 8 s, the resolver 2 s.
	if took := time.Since(start); took > time.Second {
		t.Errorf("Serve ended %v after its context", took)
	}
}

func TestServeAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var lc net.ListenConfig
	packets, err := lc.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streams, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Resolver{}).Serve(ctx, []net.PacketConn{packets}, []net.Listener{streams}); err != nil {
		t.Errorf("Serve: %v", err)
	}
}
