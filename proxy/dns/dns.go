// Package dns answers a build's name look-ups with addresses of its own, and
// remembers which name each of them stands for.
package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Resolver answers for every name with an address from a range that nobody
// routes, so that a connection to it tells the name that the client meant.
//
// The zero value works: it knows no name of the machine and asks nobody.
type Resolver struct {
	// Self lists the machine's own names, which are loopback.
	Self []string
	// Fixed gives names, in lower case, an address that is not of the range. It
	// goes before everything else.
	Fixed map[string]netip.Addr
	// Known tells that a name exists, because something is kept from it. nil
	// knows none.
	Known func(name string) bool
	// Lookup asks the host's own resolver whether a name exists. nil asks
	// nobody: every name gets an address, as when offline.
	Lookup func(ctx context.Context, name string) error
	// Absent tells of names that an earlier run found not to exist. Note is told
	// of each name whether it exists. nil forgets.
	Absent func(name string) bool
	Note   func(name string, exists bool)

	mu     sync.Mutex
	byName map[string]netip.Addr
	byAddr map[netip.Addr]string
	next   netip.Addr
}

// pool is the range for benchmarks of network devices (RFC 2544), 131 072
// addresses that no network routes and that clients treat as ordinary. The first
// one, 198.18.0.1, is given to no name unless Fixed does.
func pool() netip.Prefix { return netip.MustParsePrefix("198.18.0.0/15") }

const (
	// ttl is long enough that clients don't ask twice for one request and short
	// enough that none keeps an address after the run.
	ttl = 60
	// lookupTimeout bounds the question to the host's resolver. When that is
	// silent the name gets an address, and connecting gives the real error.
	lookupTimeout = 2 * time.Second
)

// Name is the name that an address was given out for, "" for other addresses.
func (r *Resolver) Name(addr netip.Addr) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byAddr[addr.Unmap()]
}

// Serve answers on the sockets until the context ends. It closes them.
func (r *Resolver) Serve(ctx context.Context, packets []net.PacketConn, streams []net.Listener) error {
	var servers []*dns.Server
	for _, p := range packets {
		servers = append(servers, &dns.Server{PacketConn: p, Handler: r.handler(ctx)})
	}
	for _, l := range streams {
		servers = append(servers, &dns.Server{Listener: l, Handler: r.handler(ctx)})
	}
	errs := make(chan error, len(servers))
	for _, s := range servers {
		go func() { errs <- s.ActivateAndServe() }()
	}
	<-ctx.Done()
	// Only a shutdown ends the connections that clients keep open, else they
	// are waited for. The context has ended, so this returns at once; it fails
	// for a server that has not begun, and which its closed socket ends.
	for _, s := range servers {
		_ = s.ShutdownContext(ctx)
	}
	for _, p := range packets {
		p.Close()
	}
	for _, l := range streams {
		l.Close()
	}
	var all error
	for range servers {
		if err := <-errs; err != nil && !errors.Is(err, net.ErrClosed) {
			all = errors.Join(all, err)
		}
	}
	return all
}

func (r *Resolver) handler(ctx context.Context) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		// The write fails only when the client is gone.
		_ = w.WriteMsg(r.Answer(ctx, q))
	}
}

// Answer answers one message. A name that exists has an A record and nothing
// else: an empty AAAA, HTTPS (type 65) or SRV answer makes clients go on with A
// at once, and hides addresses and keys that would lead around the proxy.
func (r *Resolver) Answer(ctx context.Context, q *dns.Msg) *dns.Msg {
	a := new(dns.Msg)
	a.SetReply(q)
	a.RecursionAvailable = true
	a.Compress = true // else the longest names need more than 512 bytes
	if len(q.Question) != 1 || q.Opcode != dns.OpcodeQuery {
		a.Rcode = dns.RcodeNotImplemented
		return a
	}
	if opt := q.IsEdns0(); opt != nil {
		a.SetEdns0(1232, false)
	}
	question := q.Question[0]
	name := normal(question.Name)
	if addr, ok := r.Fixed[name]; ok {
		a.Answer = fixedRecord(question, addr)
		return a
	}
	if local := r.loopback(name); local {
		a.Answer = loopbackRecords(question)
		return a
	}
	if !r.exists(ctx, name, question.Qtype) {
		a.Rcode = dns.RcodeNameError
		return a
	}
	if question.Qtype == dns.TypeA || question.Qtype == dns.TypeANY {
		a.Answer = fixedRecord(question, r.address(name))
	}
	return a
}

func normal(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func (r *Resolver) loopback(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || name == "localhost.localdomain" {
		return true
	}
	for _, self := range r.Self {
		if name == normal(self) {
			return true
		}
	}
	return false
}

// fixedRecord is of an address of IPv4.
func fixedRecord(q dns.Question, addr netip.Addr) []dns.RR {
	if q.Qtype != dns.TypeA && q.Qtype != dns.TypeANY {
		return nil
	}
	head := dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}
	return []dns.RR{&dns.A{Hdr: head, A: addr.AsSlice()}}
}

func loopbackRecords(q dns.Question) []dns.RR {
	head := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: ttl}
	switch q.Qtype {
	case dns.TypeA:
		return []dns.RR{&dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)}}
	case dns.TypeAAAA:
		return []dns.RR{&dns.AAAA{Hdr: head, AAAA: net.IPv6loopback}}
	}
	return nil
}

// exists decides between an answer and NXDOMAIN. Only the types that clients
// connect by are worth a question to the host's resolver: others are answered
// empty at once, whatever the name.
func (r *Resolver) exists(ctx context.Context, name string, qtype uint16) bool {
	if qtype != dns.TypeA && qtype != dns.TypeAAAA && qtype != dns.TypeANY {
		return true
	}
	r.mu.Lock()
	_, given := r.byName[name]
	r.mu.Unlock()
	if given || r.Known != nil && r.Known(name) {
		return true
	}
	if r.Lookup == nil {
		return r.Absent == nil || !r.Absent(name)
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var notFound *net.DNSError
	err := r.Lookup(ctx, name)
	absent := errors.As(err, &notFound) && notFound.IsNotFound
	if r.Note != nil && (err == nil || absent) {
		r.Note(name, !absent)
	}
	return !absent
}

// address gives a name its address, the same one as long as the range lasts.
func (r *Resolver) address(name string) netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.byName[name]; ok {
		return a
	}
	if r.byName == nil {
		r.byName, r.byAddr = map[string]netip.Addr{}, map[netip.Addr]string{}
	}
	// Addresses are given out in turn; after a full round the oldest is reused.
	if !r.next.IsValid() || !pool().Contains(r.next.Next()) {
		r.next = pool().Addr().Next()
	}
	a := r.next.Next()
	r.next = a
	if old, taken := r.byAddr[a]; taken {
		delete(r.byName, old)
	}
	r.byName[name], r.byAddr[a] = a, name
	return a
}
