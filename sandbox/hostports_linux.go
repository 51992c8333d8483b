package sandbox

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// openPorts are loopback ports of the host on which something listens, sorted:
// at 127.0.0.1 and at ::1.
type openPorts struct{ V4, V6 []uint16 }

func (o openPorts) equal(p openPorts) bool {
	return slices.Equal(o.V4, p.V4) && slices.Equal(o.V6, p.V6)
}

// either are the ports of both families.
func (o openPorts) either() []uint16 {
	all := slices.Concat(o.V4, o.V6)
	slices.Sort(all)
	return slices.Compact(all)
}

// keep drops the ports that don't pass.
func (o openPorts) keep(pass func(uint16) bool) openPorts {
	drop := func(p uint16) bool { return !pass(p) }
	return openPorts{slices.DeleteFunc(o.V4, drop), slices.DeleteFunc(o.V6, drop)}
}

// listening asks the kernel for the TCP listeners of this process's network
// namespace (sock_diag(7)). Anybody may, and no connection is made.
func listening() (openPorts, error) {
	var open openPorts
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		req.AddData(listenersOf(family))
		answers, err := req.Execute(unix.NETLINK_SOCK_DIAG, 0)
		if err != nil {
			return openPorts{}, fmt.Errorf("list the listening sockets: %w", err)
		}
		for _, b := range answers {
			open.add(family, b)
		}
	}
	for _, l := range []*[]uint16{&open.V4, &open.V6} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	return open, nil
}

// listenersOf is a struct inet_diag_req_v2 (linux/inet_diag.h).
type listenersOf byte

// Len is the size of the struct.
func (listenersOf) Len() int { return 56 }

// Serialize writes the struct: all sockets in the state LISTEN.
func (family listenersOf) Serialize() []byte {
	const listen = 10 // TCP_LISTEN (include/net/tcp_states.h)
	b := make([]byte, family.Len())
	b[0], b[1] = byte(family), unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], 1<<listen)
	return b
}

// add takes the listener of a struct inet_diag_msg, if it answers on loopback.
func (o *openPorts) add(family byte, msg []byte) {
	const size = 72
	if len(msg) < size {
		return
	}
	port := binary.BigEndian.Uint16(msg[4:])
	if family == unix.AF_INET {
		a := netip.AddrFrom4([4]byte(msg[8:]))
		if a.IsUnspecified() || a == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
			o.V4 = append(o.V4, port)
		}
		return
	}
	a := netip.AddrFrom16([16]byte(msg[8:]))
	if a.IsUnspecified() || a == netip.IPv6Loopback() {
		o.V6 = append(o.V6, port)
	}
	if a.IsUnspecified() && !onlyV6(msg[size:]) || a == netip.MustParseAddr("::ffff:127.0.0.1") {
		o.V4 = append(o.V4, port)
	}
}

// onlyV6 reads whether a socket of IPv6 is not one of IPv4 as well.
func onlyV6(attributes []byte) bool {
	const skv6only = 11 // INET_DIAG_SKV6ONLY
	list, err := nl.ParseRouteAttr(attributes)
	return err == nil && slices.ContainsFunc(list, func(a syscall.NetlinkRouteAttr) bool {
		return a.Attr.Type == skv6only && len(a.Value) > 0 && a.Value[0] != 0
	})
}

// hostPortsEvery is how often the host's listeners are looked at: the kernel
// tells of none that begins. Who waits for a port asks less often.
const hostPortsEvery = 100 * time.Millisecond

// hostPorts keeps the sandbox told which ports of the host are open.
type hostPorts struct {
	network Network
	link    *link
	stop    chan struct{}
	watch   sync.WaitGroup
}

// open are the ports that lead to the host at this moment.
func (h *hostPorts) open() (openPorts, error) {
	now, err := listening()
	all := slices.Contains(h.network.HostPorts, AllPorts)
	if err != nil && all {
		return now, err
	}
	if err != nil || !all && Inside() {
		// Better a connection that breaks off than none. (In a sandbox, what leads
		// out of it has no listener.)
		now = openPorts{slices.Clone(h.network.HostPorts), slices.Clone(h.network.HostPorts)}
	}
	return now.keep(h.leads), nil
}

// leads tells whether a port leads to the host when it is open there.
func (h *hostPorts) leads(p uint16) bool {
	return h != nil && p != proxyPort && p != dnsPort && !slices.Contains(h.network.OwnPorts, p) &&
		(slices.Contains(h.network.HostPorts, AllPorts) || slices.Contains(h.network.HostPorts, p))
}

// begin tells of each change until end, known being what the sandbox knows.
func (h *hostPorts) begin(known openPorts) {
	h.stop = make(chan struct{})
	h.watch.Go(func() {
		tick := time.NewTicker(hostPortsEvery)
		defer tick.Stop()
		for {
			select {
			case <-h.stop:
				return
			case <-tick.C:
			}
			now, err := h.open()
			if err != nil || now.equal(known) {
				continue // what is known stays
			}
			if h.link.send(toInit{HostPorts: &now}) != nil {
				return // the sandbox is gone
			}
			known = now
		}
	})
}

func (h *hostPorts) end() {
	if h != nil && h.stop != nil {
		close(h.stop)
		h.watch.Wait()
		h.stop = nil
	}
}

// check says what is wrong with a Network's ports.
func (n Network) check() error {
	for _, p := range n.HostPorts {
		if p == AllPorts {
			continue
		}
		if p == proxyPort || p == dnsPort {
			return &StepError{Step: "open the host's ports", Err: fmt.Errorf("port %d is the sandbox's own", p)}
		}
		if slices.Contains(n.OwnPorts, p) {
			return &StepError{Step: "open the host's ports", Err: fmt.Errorf("port %d is published", p),
				Hint: "a port cannot lead both into the sandbox and out of it"}
		}
	}
	return nil
}
