package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ownAddress is the sandbox's one address that is not loopback: the dummy
// address of RFC 7600, which no other machine can have.
func ownAddress() netip.Prefix { return netip.MustParsePrefix("192.0.0.8/32") }

// Inside tells whether this process is in a sandbox already.
func Inside() bool {
	addrs, _ := net.InterfaceAddrs() // none: not inside
	return slices.ContainsFunc(addrs, func(a net.Addr) bool { return a.String() == ownAddress().String() })
}

const (
	// Our listeners' ports are unassigned (IANA) and below 1024, where neither
	// the kernel nor a build looks for a free one.
	proxyPort = 4
	dnsPort   = 6
)

// sockets are what init listens on, in the order of the ready message.
type sockets struct {
	ready ready
	fds   []int
}

func (s *sockets) close() {
	for _, fd := range s.fds {
		unix.Close(fd)
	}
}

// ground is what files say that the network is made on.
type ground struct {
	six     bool         // there is IPv6
	servers []netip.Addr // see nameServers
}

// networkGround reads those files, and writes the settings of the namespace that
// are files too.
func networkGround() ground {
	// A build may serve on 80 and 443: they are nobody else's here. Without
	// /proc/sys it may only if it could have before.
	_ = os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0)
	// Looking for a second owner of an address takes the kernel a second and a
	// half. Chromium gives up what it is loading when an address comes.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0)
	return ground{hasIPv6(), nameServers()}
}

// setUpNetwork makes every address of the world local, and every TCP port lead
// to one listener.
func setUpNetwork(how setup, on ground) (*sockets, error) {
	six := on.six
	if err := setUpLinks(six); err != nil {
		return nil, err
	}
	s, err := listen(six, how.HostPorts)
	if err != nil {
		s.close()
		return nil, &StepError{Step: "open the listeners", Err: err}
	}
	err = redirect(how, on.servers, six)
	if err == nil {
		return s, nil
	}
	s.close()
	refused := &StepError{
		Step: "set the nft redirect", Part: Redirect, Err: err,
		Hint: "the kernel needs nf_tables with NAT: modprobe -a nf_tables nft_chain_nat nft_redir nft_reject_inet",
	}
	if how.HostPorts {
		refused.Part = "" // nothing else can lead there
		refused.Hint += ", and for --host-port nft_socket nft_tproxy"
		return nil, refused
	}
	if s, err = listenDirectly(six, how.Redirect); err != nil {
		s.close()
		return nil, &StepError{Step: "open the listeners on ports 53, 80 and 443", Err: err}
	}
	s.ready.Unredirected = asFailure(refused)
	return s, nil
}

func hasIPv6() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	_, err = os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

// setUpLinks brings lo up, puts an interface beside it, and routes all
// addresses to this machine itself.
func setUpLinks(six bool) error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return &StepError{Step: "bring the loopback interface up", Err: err}
	}
	out, err := outerLink(lo)
	if err != nil {
		return &StepError{Step: "make a network interface", Err: err}
	}
	// A default route that the local one below always beats: programs look for
	// one to know whether there is a network.
	_, all, _ := net.ParseCIDR("0.0.0.0/0")
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: out.Attrs().Index, Dst: all, Scope: unix.RT_SCOPE_LINK}); err != nil {
		return &StepError{Step: "add the default route", Err: err}
	}
	local := netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: all, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL,
		Scope: unix.RT_SCOPE_HOST, Src: ownAddress().Addr().AsSlice(),
	}
	if err := netlink.RouteAdd(&local); err != nil {
		return &StepError{Step: "add the local route", Err: err}
	}
	if out != lo {
		// Groups are joined on the interface that their route names, and loopback
		// hands nothing of IPv4 to the members of one.
		_, groups, _ := net.ParseCIDR("224.0.0.0/4")
		multicast := netlink.Route{
			LinkIndex: out.Attrs().Index, Dst: groups, Type: unix.RTN_MULTICAST, Table: unix.RT_TABLE_LOCAL, Scope: unix.RT_SCOPE_LINK,
		}
		if err := netlink.RouteAdd(&multicast); err != nil {
			return &StepError{Step: "add the multicast route", Err: err}
		}
	}
	if !six {
		return nil
	}
	_, all6, _ := net.ParseCIDR("::/0")
	local6 := netlink.Route{LinkIndex: lo.Attrs().Index, Dst: all6, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL}
	if err := netlink.RouteAdd(&local6); err != nil && !errors.Is(err, syscall.EAFNOSUPPORT) {
		return &StepError{Step: "add the local route for IPv6", Err: err}
	}
	return nil
}

// outerLink makes an interface that is not loopback, with an address: some
// resolvers look no name up without one. Not every kernel has each driver.
func outerLink(lo netlink.Link) (netlink.Link, error) {
	named := netlink.NewLinkAttrs()
	named.Name = "eth0"
	named.NumTxQueues, named.NumRxQueues = 1, 1 // else one a processor, which nothing goes through
	var errs error
	for _, l := range []netlink.Link{
		&netlink.Dummy{LinkAttrs: named},
		&netlink.Veth{LinkAttrs: named, PeerName: "eth0peer"},
		lo,
	} {
		if l != lo {
			if err := netlink.LinkAdd(l); err != nil {
				errs = errors.Join(errs, fmt.Errorf("%s: %w", l.Type(), err))
				continue
			}
		}
		addr := &netlink.Addr{IPNet: &net.IPNet{
			IP: ownAddress().Addr().AsSlice(), Mask: net.CIDRMask(ownAddress().Bits(), 32),
		}}
		err := netlink.AddrAdd(l, addr)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if v, ok := l.(*netlink.Veth); ok && err == nil {
			// Without its other end the interface counts as unplugged.
			err = setUpByName(v.PeerName)
		}
		if err == nil {
			return l, nil
		}
		errs = errors.Join(errs, err)
	}
	return nil, errs
}

func setUpByName(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// listener is one socket of the ready message.
type listener struct {
	at    netip.AddrPort
	kind  int  // SOCK_STREAM or SOCK_DGRAM
	count *int // of the ready message
}

// listen opens the sockets that all is redirected to. The transparent ones take
// connections to any port.
func listen(six, transparent bool) (*sockets, error) {
	s := &sockets{}
	loopback := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	if six {
		loopback = append(loopback, netip.IPv6Loopback())
	}
	return s, s.open(s.everything(loopback, []uint16{proxyPort}, dnsPort), transparent)
}

// listenDirectly opens the ports that are asked for most, at all addresses: here
// nothing is redirected, and all addresses are this machine's.
func listenDirectly(six bool, proxies []netip.AddrPort) (*sockets, error) {
	s := &sockets{}
	everywhere := []netip.Addr{netip.IPv4Unspecified()}
	if six {
		everywhere = append(everywhere, netip.IPv6Unspecified())
	}
	want := s.everything(everywhere, []uint16{80, 443}, 53)
	for _, p := range proxies {
		if p.Port() != 80 && p.Port() != 443 {
			want = append([]listener{{p, unix.SOCK_STREAM, &s.ready.TCP}}, want...)
		}
	}
	return s, s.open(want, false)
}

// everything lists listeners in the order of the ready message.
func (s *sockets) everything(at []netip.Addr, tcp []uint16, dns uint16) []listener {
	var all []listener
	for _, p := range tcp {
		for _, a := range at {
			all = append(all, listener{netip.AddrPortFrom(a, p), unix.SOCK_STREAM, &s.ready.TCP})
		}
	}
	for _, a := range at {
		all = append(all, listener{netip.AddrPortFrom(a, dns), unix.SOCK_DGRAM, &s.ready.DNS})
	}
	for _, a := range at {
		all = append(all, listener{netip.AddrPortFrom(a, dns), unix.SOCK_STREAM, &s.ready.DNSStream})
	}
	return all
}

func (s *sockets) open(all []listener, transparent bool) error {
	for _, l := range all {
		fd, err := bound(l.at, l.kind, transparent)
		if err != nil && l.at.Addr().Is6() {
			continue // no ::1: IPv6 is switched off here
		}
		if err != nil {
			return err
		}
		s.fds = append(s.fds, fd)
		*l.count++
	}
	return nil
}

func bound(at netip.AddrPort, kind int, transparent bool) (int, error) {
	domain := unix.AF_INET6
	var to unix.Sockaddr = &unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())}
	if at.Addr().Is4() {
		domain, to = unix.AF_INET, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if domain == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil && transparent {
		// IPV6_TRANSPARENT is the same bit of the socket (tcp(7), ipv6(7)).
		err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1)
	}
	if err == nil {
		err = unix.Bind(fd, to)
	}
	if err == nil && kind == unix.SOCK_STREAM {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
