package main

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"cachex/sandbox"
)

// doWithout makes up for parts that the system did not allow.
func (s *session) doWithout() error {
	for _, l := range s.box.Lacks() {
		switch l.Part {
		case sandbox.Mounts:
			if err := s.makeScratch(); err != nil {
				return err
			}
			if err := s.trustByFiles(); err != nil {
				return err
			}
		case sandbox.Redirect:
			s.proxy.Destination = s.unredirected
		}
	}
	return nil
}

// without is the part of the mounts that the sandbox does without, "" when it is whole.
func (s *session) without() sandbox.Part {
	for _, l := range s.box.Lacks() {
		if l.Part == sandbox.Mounts || l.Part == sandbox.Processes {
			return l.Part
		}
	}
	return ""
}

// unredirected is where a connection was going that came to its port itself. The
// loopback ones of 80 and 443 were meant for a server of the command's own, and
// nobody listens there.
func (s *session) unredirected(c net.Conn) (netip.AddrPort, error) {
	to, err := listenerAddress(c)
	if err == nil && to.Addr().Unmap().IsLoopback() && !slices.Contains(s.redirect, netip.AddrPortFrom(to.Addr().Unmap(), to.Port())) {
		err = errors.New("a port of the sandbox's own")
	}
	return to, err
}

// lost says what a run does without.
func lost(part sandbox.Part) string {
	switch part {
	case sandbox.Redirect:
		return "only ports 80 and 443 lead to cachex, others nowhere"
	case sandbox.Processes:
		return "the command sees the machine's processes"
	case sandbox.Mounts:
		return "variables alone tell of the certificates"
	case sandbox.Privileges:
		return "sudo has no power in the sandbox"
	}
	return string(part)
}

// parts names what is missing.
func parts(lacks []sandbox.Lack) []string {
	var names []string
	for _, l := range lacks {
		names = append(names, string(l.Part))
	}
	return names
}
