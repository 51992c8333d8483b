package sandbox

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The sets of ports in the sandbox's rules.
const (
	refusedSet  = "refused"   // loopback ports that were tried and had no listener
	answeredSet = "answered"  // those that had one at some time
	hostSet4    = "hostports" // open ports of the host's 127.0.0.1
	hostSet6    = "hostports6"
	hostSetBoth = "hostportsboth" // of either, for HostAddress
)

func portSet(t *nftables.Table, name string) *nftables.Set {
	return &nftables.Set{Table: t, Name: name, KeyType: nftables.TypeInetService}
}

// The flags of a TCP header (RFC 9293 section 3.1).
const (
	flagsAt                   = 13
	synFlag, rstFlag, ackFlag = 0x02, 0x04, 0x10
)

// noteRefused adds the rules that remember the loopback ports whose connections
// the kernel itself refuses, as nobody listens there: it answers a SYN with RST
// and ACK and the sequence number 0 (RFC 9293 section 3.10.7.1). A build that
// waits for its own server tries a port that is its own later.
//
//	tcp flags == rst|ack tcp sequence 0 add @refused { tcp sport }
//	tcp flags == syn|ack add @answered { tcp sport }
func (r *rules) noteRefused() error {
	refused, answered := portSet(r.table, refusedSet), portSet(r.table, answeredSet)
	for _, set := range []*nftables.Set{refused, answered} {
		set.Dynamic = true
		if err := r.conn.AddSet(set, nil); err != nil {
			return err
		}
	}
	tcp := protocol(unix.IPPROTO_TCP)
	r.add(r.filter, tcp, transport(flagsAt, []byte{rstFlag | ackFlag}), transport(4, []byte{0, 0, 0, 0}), addPort(refused))
	r.add(r.filter, tcp, transport(flagsAt, []byte{synFlag | ackFlag}), addPort(answered))
	return nil
}

// addPort adds the source port to a set.
func addPort(to *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2},
		&expr.Dynset{SrcRegKey: register, SetName: to.Name, SetID: to.ID, Operation: uint32(unix.NFT_DYNSET_OP_ADD)},
	}
}

// refusedPorts are those that nobody ever answered at.
func refusedPorts() ([]uint16, error) {
	refused, err := portsIn(refusedSet)
	if err != nil || len(refused) == 0 {
		return nil, err
	}
	answered, err := portsIn(answeredSet)
	return slices.DeleteFunc(refused, func(p uint16) bool { return slices.Contains(answered, p) }), err
}

func portsIn(name string) ([]uint16, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, err
	}
	elements, err := c.GetSetElements(portSet(ownTable(), name))
	if err != nil {
		return nil, err
	}
	var ports []uint16
	for _, e := range elements {
		if len(e.Key) >= 2 {
			ports = append(ports, binary.BigEndian.Uint16(e.Key))
		}
	}
	return ports, nil
}

// hostPortRules lead connections to the host's open ports to the proxy. At
// loopback addresses the build's own servers come first: a packet on its way in
// is looked at (prerouting) when it is known whether a socket waits for it.
//
//	chain nat (hook output), before the others:
//	    ip daddr 198.18.0.1 tcp dport @hostportsboth redirect to :proxyPort
//	    ip daddr 198.18.0.1 accept
//	chain filter (hook output), before the others:
//	    ip daddr 198.18.0.1 meta l4proto tcp reject with tcp reset
//	chain host (hook prerouting, mangle), for 127.0.0.1 and alike for ::1:
//	    ip daddr 127.0.0.1 tcp flags & (syn|ack) == syn tcp dport @hostports socket mark >= 0 accept
//	    ip daddr 127.0.0.1 tcp flags & (syn|ack) == syn tcp dport @hostports tproxy to :proxyPort
//
// A port that is closed outside is in no set, and the kernel refuses its
// connections. Only a full socket has a mark: one in TIME-WAIT is no server.
func (r *rules) hostPortRules(six bool) error {
	sets := map[string]*nftables.Set{}
	for _, name := range []string{hostSet4, hostSet6, hostSetBoth} {
		sets[name] = portSet(r.table, name)
		if err := r.conn.AddSet(sets[name], nil); err != nil {
			return err
		}
	}
	outside := netip.PrefixFrom(HostAddress(), 32)
	r.add(r.nat, to(outside), protocol(unix.IPPROTO_TCP), portIn(sets[hostSetBoth]), redirectTo(proxyPort))
	r.add(r.nat, to(outside), verdict(expr.VerdictAccept))
	r.add(r.filter, to(outside), protocol(unix.IPPROTO_TCP), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})

	chain := r.conn.AddChain(&nftables.Chain{
		Name: "host", Table: r.table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityMangle,
	})
	loopback := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	if six {
		loopback = append(loopback, netip.IPv6Loopback())
	}
	for _, a := range loopback {
		set, family := sets[hostSet4], byte(unix.NFPROTO_IPV4)
		if a.Is6() {
			set, family = sets[hostSet6], unix.NFPROTO_IPV6
		}
		opening := [][]expr.Any{to(netip.PrefixFrom(a, a.BitLen())), protocol(unix.IPPROTO_TCP), opens(), portIn(set)}
		r.add(chain, append(slices.Clone(opening),
			[]expr.Any{&expr.Socket{Key: expr.SocketKeyMark, Register: register}}, verdict(expr.VerdictAccept))...)
		r.add(chain, append(slices.Clone(opening), []expr.Any{
			&expr.Immediate{Register: register, Data: binary.BigEndian.AppendUint16(nil, proxyPort)},
			&expr.TProxy{Family: family, RegPort: register},
		})...)
	}
	return nil
}

// opens matches the first packet of a connection.
func opens() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: flagsAt, Len: 1},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 1, Mask: []byte{synFlag | ackFlag}, Xor: []byte{0}},
		equal([]byte{synFlag}),
	}
}

// portIn matches the destination port.
func portIn(s *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: register, SetName: s.Name, SetID: s.ID},
	}
}

// setHostPorts makes the sets hold the ports that are open now.
func setHostPorts(now openPorts) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	for name, ports := range map[string][]uint16{hostSet4: now.V4, hostSet6: now.V6, hostSetBoth: now.either()} {
		set := portSet(ownTable(), name)
		c.FlushSet(set)
		for some := range slices.Chunk(ports, 1000) { // an attribute holds some 2,700
			var elements []nftables.SetElement
			for _, p := range some {
				elements = append(elements, nftables.SetElement{Key: binary.BigEndian.AppendUint16(nil, p)})
			}
			if err := c.SetAddElements(set, elements); err != nil {
				return err
			}
		}
	}
	return c.Flush() // all at once: no connection sees half of it
}
