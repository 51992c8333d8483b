package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// redirect sets these rules in the sandbox's namespace, here as nft prints them:
//
//	chain nat (hook output), after those of hostPortRules:
//	    ip daddr RESOLVER th dport 53 redirect to :dnsPort    (RESOLVER is loopback)
//	    ip daddr ADDRESS tcp dport PORT redirect to :proxyPort  (Network.Redirect)
//	    ip daddr 127.0.0.0/8 accept                           (the sandbox's own)
//	    ip daddr 192.0.0.8 accept
//	    ip6 daddr ::1 accept
//	    th dport 53 redirect to :dnsPort
//	    meta l4proto tcp redirect to :proxyPort
//	chain filter (hook output), after those of noteRefused and hostPortRules:
//	    icmp type echo-request drop                           (beyond loopback)
//
// UDP to elsewhere finds no socket and is refused by the kernel at once, so
// that QUIC clients fall back. An echo request would be answered by this
// machine itself, which would be a lie.
func redirect(how setup, resolvers []netip.Addr, six bool) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	r := &rules{conn: c, table: c.AddTable(ownTable())}
	r.nat = c.AddChain(&nftables.Chain{
		Name: "nat", Table: r.table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest,
	})
	r.filter = c.AddChain(&nftables.Chain{
		Name: "filter", Table: r.table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter,
	})
	if err := r.noteRefused(); err != nil {
		return err
	}
	for _, a := range resolvers {
		for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			r.add(r.nat, to(netip.PrefixFrom(a, a.BitLen())), port(proto, 53), redirectTo(dnsPort))
		}
	}
	for _, a := range how.Redirect {
		r.add(r.nat, to(netip.PrefixFrom(a.Addr(), a.Addr().BitLen())), port(unix.IPPROTO_TCP, a.Port()), redirectTo(proxyPort))
	}
	if how.HostPorts {
		if err := r.hostPortRules(six); err != nil {
			return err
		}
	}
	own := []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"),
		netip.PrefixFrom(ownAddress().Addr(), 32),
	}
	if six {
		own = append(own, netip.PrefixFrom(netip.IPv6Loopback(), 128))
	}
	for _, p := range own {
		r.add(r.nat, to(p), verdict(expr.VerdictAccept))
		r.add(r.filter, to(p), verdict(expr.VerdictAccept))
	}
	for _, proto := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
		r.add(r.nat, port(proto, 53), redirectTo(dnsPort))
	}
	r.add(r.nat, protocol(unix.IPPROTO_TCP), redirectTo(proxyPort))
	const echo, echo6 = 8, 128 // RFC 792, RFC 4443 section 4.1
	r.add(r.filter, protocol(unix.IPPROTO_ICMP), transport(0, []byte{echo}), verdict(expr.VerdictDrop))
	r.add(r.filter, protocol(unix.IPPROTO_ICMPV6), transport(0, []byte{echo6}), verdict(expr.VerdictDrop))
	return c.Flush()
}

// rules are the sandbox's, in the making.
type rules struct {
	conn        *nftables.Conn
	table       *nftables.Table
	nat, filter *nftables.Chain
}

func ownTable() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: "cachex"}
}

// add adds a rule to the end of a chain.
func (r *rules) add(chain *nftables.Chain, parts ...[]expr.Any) {
	rule := &nftables.Rule{Table: r.table, Chain: chain}
	for _, p := range parts {
		rule.Exprs = append(rule.Exprs, p...)
	}
	r.conn.AddRule(rule)
}

// The register that matches go through.
const register = 1

func equal(b []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: b}
}

// to matches the destination address.
func to(p netip.Prefix) []expr.Any {
	family, offset := byte(unix.NFPROTO_IPV4), uint32(16)
	if p.Addr().Is6() {
		family, offset = unix.NFPROTO_IPV6, 24
	}
	size := uint32(p.Addr().BitLen() / 8)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register},
		equal([]byte{family}),
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Bitwise{
			SourceRegister: register, DestRegister: register, Len: size,
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()), Xor: make([]byte, size),
		},
		equal(p.Masked().Addr().AsSlice()),
	}
}

func protocol(p byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, equal([]byte{p})}
}

// transport matches bytes of the transport header.
func transport(offset uint32, b []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: uint32(len(b))},
		equal(b),
	}
}

// port matches the destination port, which TCP and UDP have at the same place.
func port(proto byte, p uint16) []expr.Any {
	return append(protocol(proto), transport(2, binary.BigEndian.AppendUint16(nil, p))...)
}

func redirectTo(p uint16) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: register, Data: binary.BigEndian.AppendUint16(nil, p)},
		&expr.Redir{RegisterProtoMin: register},
	}
}

func verdict(kind expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: kind}} }

// originalDst is SO_ORIGINAL_DST (linux/netfilter_ipv4.h), IP6T_SO_ORIGINAL_DST
// alike.
const originalDst = 80

// OriginalDst tells where a connection to one of the listeners was going before
// it was redirected.
func OriginalDst(c net.Conn) (netip.AddrPort, error) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("original destination: %T is not TCP", c)
	}
	local, ok := t.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, errors.New("original destination: no address")
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("original destination: %w", err)
	}
	var dst netip.AddrPort
	var failed error
	err = raw.Control(func(fd uintptr) {
		if local.IP.To4() != nil {
			dst, failed = originalDst4(fd)
		} else {
			dst, failed = originalDst6(fd)
		}
	})
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("original destination: %w", err)
	}
	if errors.Is(failed, unix.ENOENT) || errors.Is(failed, unix.ENOPROTOOPT) {
		return local.AddrPort(), nil // not redirected
	}
	return dst, failed
}

func originalDst4(fd uintptr) (netip.AddrPort, error) {
	var a unix.RawSockaddrInet4
	if err := getsockopt(fd, unix.SOL_IP, unsafe.Pointer(&a), unsafe.Sizeof(a)); err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), networkOrder(&a.Port)), nil
}

func originalDst6(fd uintptr) (netip.AddrPort, error) {
	var a unix.RawSockaddrInet6
	if err := getsockopt(fd, unix.SOL_IPV6, unsafe.Pointer(&a), unsafe.Sizeof(a)); err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), networkOrder(&a.Port)), nil
}

func networkOrder(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}

// getsockopt reads an option that is a struct, for which x/sys has no function.
func getsockopt(fd uintptr, level uintptr, value unsafe.Pointer, size uintptr) error {
	n := uint32(size)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, level, originalDst,
		uintptr(value), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
