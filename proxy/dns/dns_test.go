package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ask(t *testing.T, r *Resolver, name string, qtype uint16) *dns.Msg {
	t.Helper()
	q := new(dns.Msg).SetQuestion(name, qtype)
	a := r.Answer(t.Context(), q)
	if a.Id != q.Id || !a.Response || len(a.Question) != 1 || a.Question[0] != q.Question[0] {
		t.Errorf("%s: the answer's head is that of another question: %v", name, a)
	}
	return a
}

// addrs are the addresses of an answer, A and AAAA alike.
func addrs(a *dns.Msg) []netip.Addr {
	var all []netip.Addr
	for _, rr := range a.Answer {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		addr, _ := netip.AddrFromSlice(ip)
		all = append(all, addr.Unmap())
	}
	return all
}

// address asks for the one address that a name must have.
func address(t *testing.T, r *Resolver, name string) netip.Addr {
	t.Helper()
	a := ask(t, r, name, dns.TypeA)
	all := addrs(a)
	if a.Rcode != dns.RcodeSuccess || len(all) != 1 {
		t.Fatalf("%s: %s with %v, want one address", name, dns.RcodeToString[a.Rcode], all)
	}
	return all[0]
}

func TestAddressesAreStableAndUnique(t *testing.T) {
	r := &Resolver{}
	first := address(t, r, "registry.example.")
	if !netip.MustParsePrefix("198.18.0.0/15").Contains(first) {
		t.Errorf("%v is not of the reserved range", first)
	}
	other := address(t, r, "other.example.")
	if other == first {
		t.Errorf("two names have the address %v", other)
	}
	for _, name := range []string{"registry.example.", "registry.example", "REGISTRY.eXample."} {
		if got := address(t, r, name); got != first {
			t.Errorf("%s has the address %v, want %v as before", name, got, first)
		}
	}
	mapped := netip.AddrFrom16(first.As16())
	for addr, want := range map[netip.Addr]string{
		first:                                 "registry.example",
		mapped:                                "registry.example",
		other:                                 "other.example",
		netip.MustParseAddr("198.19.255.255"): "",
		netip.MustParseAddr("192.0.2.1"):      "",
		{}:                                    "",
	} {
		if got := r.Name(addr); got != want {
			t.Errorf("%v stands for %q, want %q", addr, got, want)
		}
	}
}

// A full round of the range takes the oldest names' addresses, and takes them
// wholly: no address stands for two names, no name for two addresses.
func TestRangeWraps(t *testing.T) {
	r := &Resolver{}
	whole := pool()
	size := 1<<(32-whole.Bits()) - 2 // the range's own address and one more stay free
	seen := make(map[netip.Addr]bool, size)
	var first, second netip.Addr
	for i := range size {
		addr := address(t, r, fmt.Sprintf("n%d.example.", i))
		if seen[addr] || !whole.Contains(addr) {
			t.Fatalf("name %d has the address %v, which is taken or outside", i, addr)
		}
		seen[addr] = true
		switch i {
		case 0:
			first = addr
		case 1:
			second = addr
		}
	}
	if got := address(t, r, "one-more.example."); got != first || r.Name(first) != "one-more.example" {
		t.Errorf("one more name has the address %v of %q, want the oldest, %v", got, r.Name(got), first)
	}
	if got := address(t, r, "n0.example."); got != second || r.Name(second) != "n0.example" {
		t.Errorf("the oldest name comes back with %v, want the next address, %v", got, second)
	}
	if len(r.byName) != size || len(r.byAddr) != size {
		t.Errorf("%d names and %d addresses are remembered of a range of %d", len(r.byName), len(r.byAddr), size)
	}
}

func TestConcurrentQuestions(t *testing.T) {
	r := &Resolver{}
	var wg sync.WaitGroup
	var got [8][50]netip.Addr
	for g := range got {
		wg.Go(func() {
			for i := range got[g] {
				q := new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.example.", i), dns.TypeA)
				if all := addrs(r.Answer(t.Context(), q)); len(all) == 1 {
					got[g][i] = all[0]
				}
			}
		})
	}
	wg.Wait()
	for g := range got {
		if got[g] != got[0] {
			t.Fatalf("one name has two addresses: %v, %v", got[0], got[g])
		}
	}
	seen := map[netip.Addr]bool{}
	for i, addr := range got[0] {
		if seen[addr] || r.Name(addr) != fmt.Sprintf("n%d.example", i) {
			t.Errorf("name %d has the address %v, which stands for %q", i, addr, r.Name(addr))
		}
		seen[addr] = true
	}
}

func TestOtherTypesAreEmptyAtOnce(t *testing.T) {
	asked := 0
	r := &Resolver{Lookup: func(context.Context, string) error { asked++; return nil }}
	for _, c := range []struct {
		name  string
		qtype uint16
		asks  int
	}{
		{"registry.example.", dns.TypeAAAA, 1},
		{"registry.example.", dns.TypeHTTPS, 0},
		{"_https._tcp.registry.example.", dns.TypeSRV, 0},
		{"_mirrors.REGISTRY.example.", dns.TypeTXT, 0},
		{"registry.example.", dns.TypeMX, 0},
		{"2.0.18.198.in-addr.arpa.", dns.TypePTR, 0},
		{"registry.example.", 65400, 0},
	} {
		asked = 0
		a := ask(t, r, c.name, c.qtype)
		if a.Rcode != dns.RcodeSuccess || len(a.Answer) != 0 {
			t.Errorf("type %d: %s with %v, want NOERROR and nothing", c.qtype, dns.RcodeToString[a.Rcode], a.Answer)
		}
		if asked != c.asks {
			t.Errorf("type %d: the host's resolver was asked %d times, want %d", c.qtype, asked, c.asks)
		}
	}
}

func TestLoopback(t *testing.T) {
	r := &Resolver{
		Self:   []string{"Build-Host", "build-host.corp.example."},
		Lookup: func(_ context.Context, name string) error { t.Errorf("asked for %s", name); return nil },
	}
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()
	for _, name := range []string{
		"localhost.", "LocalHost.", "a.localhost.", "localhost.localdomain.",
		"build-host.", "BUILD-HOST.", "build-host.corp.example.",
	} {
		for qtype, want := range map[uint16][]netip.Addr{
			dns.TypeA: {v4}, dns.TypeAAAA: {v6}, dns.TypeHTTPS: nil, dns.TypeTXT: nil,
		} {
			a := ask(t, r, name, qtype)
			if a.Rcode != dns.RcodeSuccess || !slices.Equal(addrs(a), want) {
				t.Errorf("%s type %d: %s %v, want %v", name, qtype, dns.RcodeToString[a.Rcode], a.Answer, want)
			}
		}
	}
	r.Lookup = nil
	for _, name := range []string{"notlocalhost.", "localhost.example.", "build-host.example."} {
		if addr := address(t, r, name); addr.IsLoopback() {
			t.Errorf("%s is loopback", name)
		}
	}
}

// names is what a run remembers, as the store does.
type names map[string]bool

func (n names) absent(name string) bool       { exists, noted := n[name]; return noted && !exists }
func (n names) note(name string, exists bool) { n[name] = exists }
func (n names) resolver(l func(string) error) *Resolver {
	return &Resolver{
		Absent: n.absent, Note: n.note,
		Lookup: func(_ context.Context, name string) error { return l(name) },
	}
}

func TestAbsentNamesAreRemembered(t *testing.T) {
	noted := names{}
	online := noted.resolver(func(name string) error {
		if name == "gone.example" {
			return fmt.Errorf("look up: %w", &net.DNSError{Name: name, IsNotFound: true})
		}
		return nil
	})
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeANY} {
		a := ask(t, online, "Gone.example.", qtype)
		if a.Rcode != dns.RcodeNameError || len(a.Answer) != 0 {
			t.Errorf("type %d: %s with %v, want NXDOMAIN", qtype, dns.RcodeToString[a.Rcode], a.Answer)
		}
	}
	address(t, online, "here.example.")
	if want := (names{"gone.example": false, "here.example": true}); fmt.Sprint(noted) != fmt.Sprint(want) {
		t.Errorf("noted %v, want %v", noted, want)
	}
	offline := &Resolver{Absent: noted.absent}
	if a := ask(t, offline, "GONE.example.", dns.TypeA); a.Rcode != dns.RcodeNameError {
		t.Errorf("offline: %s, want NXDOMAIN as before", dns.RcodeToString[a.Rcode])
	}
	address(t, offline, "here.example.")
	address(t, offline, "never-asked.example.")

	// What is found later exists again, and what is kept needs no question.
	online.Lookup = func(context.Context, string) error { return nil }
	address(t, online, "gone.example.")
	if noted.absent("gone.example") {
		t.Error("a name that was found again is still remembered as absent")
	}
	online.Known = func(name string) bool { return name == "kept.example" }
	online.Lookup = func(_ context.Context, name string) error {
		t.Errorf("asked for %s, which is kept or has an address", name)
		return &net.DNSError{IsNotFound: true}
	}
	address(t, online, "kept.example.")
	address(t, online, "here.example.")
}

// A host's resolver that fails says nothing of the name: it gets an address,
// nothing is remembered, and connecting gives the real error.
func TestHostResolverFails(t *testing.T) {
	for what, failure := range map[string]error{
		"SERVFAIL": &net.DNSError{Err: "server misbehaving", IsTemporary: true},
		"time-out": &net.DNSError{Err: "i/o timeout", IsTimeout: true},
		"other":    errors.New("no resolver"),
	} {
		noted := names{}
		r := noted.resolver(func(string) error { return failure })
		address(t, r, "registry.example.")
		if len(noted) != 0 {
			t.Errorf("%s: noted %v", what, noted)
		}
	}
}

func TestHostResolverIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noted := names{}
		r := &Resolver{Absent: noted.absent, Note: noted.note, Lookup: func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		start := time.Now()
		address(t, r, "registry.example.")
		if waited := time.Since(start); waited != lookupTimeout {
			t.Errorf("the answer came after %v, want %v", waited, lookupTimeout)
		}
		if len(noted) != 0 {
			t.Errorf("noted %v", noted)
		}
	})
}

func TestQuestionIsEchoed(t *testing.T) {
	r := &Resolver{}
	q := new(dns.Msg).SetQuestion("rEGIStry.EXamPLe.", dns.TypeA) // draft-vixie-dnsext-dns0x20
	a := r.Answer(t.Context(), q)
	if a.Question[0].Name != "rEGIStry.EXamPLe." || len(a.Answer) != 1 || a.Answer[0].Header().Name != "rEGIStry.EXamPLe." {
		t.Errorf("the name comes back otherwise: %v", a)
	}
	if !a.RecursionAvailable || a.Answer[0].Header().Ttl != ttl {
		t.Errorf("want recursion and a TTL of %d: %v", ttl, a)
	}
	if a.IsEdns0() != nil {
		t.Error("EDNS where none was asked for")
	}
	q.SetEdns0(4096, true)
	if opt := r.Answer(t.Context(), q).IsEdns0(); opt == nil || opt.UDPSize() != 1232 || opt.Do() {
		t.Errorf("EDNS answer %v, want 1232 bytes and no DNSSEC", opt)
	}
}

func TestOddQuestions(t *testing.T) {
	r := &Resolver{}
	none := new(dns.Msg)
	two := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
	two.Question = append(two.Question, dns.Question{Name: "b.example.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
	update := new(dns.Msg).SetUpdate("a.example.")
	for what, q := range map[string]*dns.Msg{"no question": none, "two questions": two, "update": update} {
		a := r.Answer(t.Context(), q)
		if a.Id != q.Id || a.Rcode != dns.RcodeNotImplemented || len(a.Answer) != 0 {
			t.Errorf("%s: %v, want NOTIMP", what, a)
		}
	}
}

// longest is the longest name that DNS has: 255 bytes on the wire.
func longest() string {
	label := strings.Repeat("a", 63) + "."
	return label + label + label + strings.Repeat("a", 61) + "."
}

func TestLongestNameFits(t *testing.T) {
	r := &Resolver{}
	for _, qtype := range []uint16{dns.TypeA, dns.TypeANY} {
		wire, err := ask(t, r, longest(), qtype).Pack()
		if err != nil || len(wire) > dns.MinMsgSize {
			t.Errorf("type %d: %d bytes, %v; UDP without EDNS takes %d", qtype, len(wire), err, dns.MinMsgSize)
		}
	}
}

// FuzzAnswer holds the promise that any message that can be read has an answer
// to that question, which fits into a datagram.
func FuzzAnswer(f *testing.F) {
	for _, name := range []string{"registry.example.", ".", "LOCALHOST.", "a\\000\\.b.example.", longest()} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeANY} {
			q := new(dns.Msg).SetQuestion(name, qtype)
			q.SetEdns0(512, true)
			wire, err := q.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wire)
		}
	}
	f.Add(make([]byte, 12))
	f.Fuzz(func(t *testing.T, wire []byte) {
		q := new(dns.Msg)
		if q.Unpack(wire) != nil {
			return
		}
		r := &Resolver{Self: []string{"build-host"}}
		a := r.Answer(t.Context(), q)
		if a.Id != q.Id || !a.Response || len(a.Question) > 1 {
			t.Fatalf("%v is no answer to %v", a, q)
		}
		if len(q.Question) == 1 && (len(a.Question) != 1 || a.Question[0] != q.Question[0]) {
			t.Errorf("asked %v, answered %v", q.Question, a.Question)
		}
		packed, err := a.Pack()
		if err != nil || len(packed) > dns.MinMsgSize {
			t.Errorf("%d bytes, %v, for %v", len(packed), err, q)
		}
		for _, addr := range addrs(a) {
			if !addr.IsLoopback() && (!pool().Contains(addr) || r.Name(addr) != normal(q.Question[0].Name)) {
				t.Errorf("%v stands for %q, asked %v", addr, r.Name(addr), q.Question)
			}
		}
	})
}

// Names with an address of their own are asked of nobody, and the first address
// of the range is nobody's, so that it can be theirs.
func TestFixedNames(t *testing.T) {
	own := netip.MustParseAddr("198.18.0.1")
	r := &Resolver{
		Fixed:  map[string]netip.Addr{"host.example": own},
		Lookup: func(context.Context, string) error { t.Error("asked"); return nil },
		Note:   func(string, bool) { t.Error("noted") },
	}
	for _, name := range []string{"host.example.", "HOST.Example."} {
		if got := address(t, r, name); got != own {
			t.Errorf("%s: %v", name, got)
		}
	}
	if a := ask(t, r, "host.example.", dns.TypeAAAA); a.Rcode != dns.RcodeSuccess || len(a.Answer) > 0 {
		t.Errorf("AAAA: %v", a)
	}
	if got := r.Name(own); got != "" {
		t.Errorf("%v is %q", own, got)
	}
	r.Lookup, r.Note = nil, nil
	if got := address(t, r, "registry.example."); got == own {
		t.Error("another name got the address")
	}
}
