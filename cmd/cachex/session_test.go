package main

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"cachex/proxy"
	"cachex/sandbox"
)

// The host's name server hears nothing of denied names, and the request for one
// still reaches the proxy, which says why it is refused.
func TestDeniedNamesAreNotAskedFor(t *testing.T) {
	for _, c := range []struct{ allow, deny []string }{
		{nil, []string{"*.denied.example"}}, {[]string{"allowed.example"}, nil},
	} {
		o := &runOptions{}
		var err error
		if o.reach.Allow, err = proxy.ParseHosts(c.allow); err != nil {
			t.Fatal(err)
		}
		if o.reach.Deny, err = proxy.ParseHosts(c.deny); err != nil {
			t.Fatal(err)
		}
		r := (&session{opts: o}).resolver()
		if err := r.Lookup(t.Context(), "secret.denied.example"); !errors.Is(err, errNotAsked) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// Which connections are carried to this machine's loopback.
func TestLocalDestinations(t *testing.T) {
	proxyAt := netip.MustParseAddrPort("127.0.0.1:3128")
	s := &session{opts: &runOptions{hostPorts: []uint16{sandbox.AllPorts}}, redirect: []netip.AddrPort{proxyAt}}
	host := netip.AddrPortFrom(sandbox.HostAddress(), 5432).String()
	for at, want := range map[string]string{
		"127.0.0.1:5432":          "[127.0.0.1:5432]",
		"[::1]:5432":              "[[::1]:5432]",
		"[::ffff:127.0.0.1]:5432": "[127.0.0.1:5432]",
		host:                      "[127.0.0.1:5432 [::1]:5432]",
		proxyAt.String():          "[]", // that one is cachex's own
		"203.0.113.7:5432":        "[]",
		"198.18.0.2:5432":         "[]",
	} {
		if got := fmt.Sprint(s.local(netip.MustParseAddrPort(at))); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
	s.opts.hostPorts = nil
	if got := s.local(netip.MustParseAddrPort("127.0.0.1:5432")); got != nil {
		t.Errorf("without the flag: %v", got)
	}
}
