package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"cachex/sandbox"
)

// hostName is the name of the host's loopback in a sandbox with --host-port.
const hostName = "host.cachex.internal"

// parseHostPorts reads --host-port: numbers, or "all".
func parseHostPorts(specs []string) ([]uint16, error) {
	var ports []uint16
	for _, s := range specs {
		p := uint16(sandbox.AllPorts)
		if s != "all" {
			var err error
			if p, err = parsePort(s); err != nil {
				return nil, fmt.Errorf("--host-port: %w, or all", err)
			}
		}
		ports = append(ports, p)
	}
	return ports, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port: it is a number from 1 to 65535", s)
	}
	return uint16(n), nil
}

// publication is one --publish: the host's address that leads to the port of the
// sandbox's loopback.
type publication struct {
	at   netip.AddrPort
	port uint16
}

// parsePublish reads [HOST:]PORT[:PORT].
func parsePublish(specs []string) ([]publication, error) {
	var all []publication
	for _, s := range specs {
		p, err := parsePublication(s)
		if err != nil {
			return nil, fmt.Errorf("--publish %s: %w", s, err)
		}
		if slices.ContainsFunc(all, func(o publication) bool { return o.at == p.at }) {
			return nil, fmt.Errorf("--publish %s: %s is published twice", s, p.at)
		}
		all = append(all, p)
	}
	return all, nil
}

func parsePublication(s string) (publication, error) {
	if port, protocol, ok := strings.Cut(s, "/"); ok {
		if protocol != "tcp" {
			return publication{}, errors.New("only TCP is published")
		}
		s = port
	}
	p := publication{at: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)}
	ports := strings.Split(s, ":")
	host := ""
	if strings.HasPrefix(s, "[") {
		inner, rest, ok := strings.Cut(s[1:], "]:")
		if !ok {
			return p, errors.New("an IPv6 address is written [ADDRESS]:PORT")
		}
		host, ports = inner, strings.Split(rest, ":")
	} else if n := len(ports); n == 3 || n == 2 && strings.Trim(ports[0], "0123456789") != "" {
		host, ports = ports[0], ports[1:]
	}
	if len(ports) > 2 {
		return p, errors.New("it is PORT, PORT:PORT or ADDRESS:PORT:PORT; an IPv6 address is in brackets")
	}
	if host == "localhost" {
		host = p.at.Addr().String()
	}
	addr := p.at.Addr()
	if host != "" {
		var err error
		if addr, err = netip.ParseAddr(host); err != nil {
			return p, fmt.Errorf("%q is no address of the host, such as 127.0.0.1 or 0.0.0.0", host)
		}
	}
	outer, err := parsePort(ports[0])
	if err != nil {
		return p, err
	}
	p.at, p.port = netip.AddrPortFrom(addr, outer), outer
	if len(ports) == 2 {
		p.port, err = parsePort(ports[1])
	}
	return p, err
}

// checkPorts looks for ports that would lead both in and out.
func checkPorts(in []publication, out []uint16) error {
	for _, p := range in {
		for _, n := range []uint16{p.at.Port(), p.port} {
			if slices.Contains(out, n) {
				return fmt.Errorf("port %d is in --publish and in --host-port: it cannot lead both into the sandbox and out of it", n)
			}
		}
	}
	return nil
}

// published are the ports that lead into the sandbox, on either side.
func published(in []publication) []uint16 {
	var ports []uint16
	for _, p := range in {
		ports = append(ports, p.at.Port(), p.port)
	}
	return ports
}

// publisher listens on the host and carries connections into the sandbox.
type publisher struct {
	listeners []net.Listener
	ports     []uint16 // inside, one for each listener
}

// publish opens the listeners, all of them or none.
func publish(in []publication) (*publisher, error) {
	p := &publisher{}
	for _, pub := range in {
		l, err := net.Listen("tcp", pub.at.String())
		if err != nil {
			p.close()
			return nil, publishError(pub.at, err)
		}
		p.listeners = append(p.listeners, l)
		p.ports = append(p.ports, pub.port)
	}
	return p, nil
}

func publishError(at netip.AddrPort, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = fmt.Sprintf("publish it as another port: --publish OTHER:%d", at.Port())
	case errors.Is(err, syscall.EACCES):
		hint = fmt.Sprintf("ports below 1024 are root's: --publish %d:%d", 8000+int(at.Port()), at.Port())
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "the host has no such address; 0.0.0.0 is all that it has"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno
	}
	return &exitError{fmt.Errorf("publish %s: %w", at, err), exitInternal, hint}
}

func (p *publisher) close() {
	if p == nil {
		return
	}
	for _, l := range p.listeners {
		l.Close()
	}
}

// serve carries connections until the context ends; box must be waited for
// meanwhile. It closes the listeners.
func (p *publisher) serve(ctx context.Context, box *sandbox.Sandbox) {
	var all sync.WaitGroup
	defer all.Wait()
	for i, l := range p.listeners {
		all.Go(func() {
			for {
				c, err := l.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err != nil { // out of descriptors, or reset while it waited
					select {
					case <-ctx.Done():
						return
					case <-time.After(10 * time.Millisecond):
					}
					continue
				}
				all.Go(func() { carry(ctx, c.(*net.TCPConn), box, p.ports[i]) })
			}
		})
	}
	<-ctx.Done()
	p.close()
}

// carry connects an outer connection with the sandbox's port. When nobody
// listens there it is reset, as the kernel would have refused it.
func carry(ctx context.Context, outer *net.TCPConn, box *sandbox.Sandbox, port uint16) {
	defer outer.Close()
	inner, err := box.Dial(ctx, port)
	if err != nil {
		outer.SetLinger(0)
		return
	}
	defer inner.Close()
	stop := context.AfterFunc(ctx, func() { outer.Close(); inner.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { copyHalf(inner, outer) })
	copyHalf(outer, inner)
	both.Wait()
}

// copyHalf copies one direction and passes on how it ended.
func copyHalf(to, from *net.TCPConn) {
	_, err := io.Copy(to, from)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		// A reset of one side is one of the other.
		to.SetLinger(0)
		from.SetLinger(0)
		to.Close()
		from.Close()
		return
	}
	to.CloseWrite() // fails when it is closed
}
