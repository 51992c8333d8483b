package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Hosts are patterns for hosts; the zero value matches none. A pattern is
//
//	registry.example      that name
//	*.registry.example    all names below it, but not itself
//	mirror-*.example      * is any characters, dots as well
//	192.0.2.1, [2001:db8::1], 192.0.2.0/24
//	registry.example:8443 only that port; any of the above can have one
//
// Names are compared without regard to case, and written in their ASCII form
// (xn--…).
type Hosts []hostPattern

type hostPattern struct {
	text string       // as it was written
	name string       // lower case, "" for addresses
	net  netip.Prefix // invalid for names
	port uint16       // 0 is any
	// rule is where a rule says so, "" for a flag.
	rule string
}

// ParseHosts reads patterns. Its error quotes the one that is wrong.
func ParseHosts(patterns []string) (Hosts, error) {
	var h Hosts
	for _, text := range patterns {
		p, err := parseHost(text)
		if err != nil {
			return nil, fmt.Errorf("host pattern %q: %w", text, err)
		}
		h = append(h, p)
	}
	return h, nil
}

// Match tells whether a host, a name or an address, is one of them.
func (h Hosts) Match(host string, port uint16) bool {
	return h.Find(host, port) != ""
}

// Find is the first pattern, as it was written, that a host matches, "" when
// there is none.
func (h Hosts) Find(host string, port uint16) string {
	return h.find(host, port).text
}

// Ruled are the same hosts, as a rule names them that stands at a place.
func (h Hosts) Ruled(place string) Hosts {
	ruled := slices.Clone(h)
	for i := range ruled {
		ruled[i].rule = place
	}
	return ruled
}

// find is the first pattern that a host matches; the zero value where none does.
func (h Hosts) find(host string, port uint16) hostPattern {
	if len(h) == 0 {
		return hostPattern{}
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	addr, err := netip.ParseAddr(host)
	isAddr := err == nil
	addr = addr.Unmap().WithZone("")
	for _, p := range h {
		switch {
		case p.port != 0 && p.port != port:
		case isAddr && p.net.Contains(addr):
			return p
		case p.name == "":
		case isAddr && p.name != "*":
			// "192.*" would be a trap: it looks like an address and is none.
		default:
			if ok, _ := path.Match(p.name, host); ok { // it was tried when it was read
				return p
			}
		}
	}
	return hostPattern{}
}

func parseHost(text string) (hostPattern, error) {
	p := hostPattern{text: text}
	switch {
	case text == "":
		return p, errors.New("it is empty")
	case strings.Contains(text, "://"):
		return p, errors.New("a URL is not a host; leave out what is before and after its name")
	}
	if n, err := netip.ParsePrefix(text); err == nil {
		if n != n.Masked() {
			return p, fmt.Errorf("the network of that size is %s", n.Masked())
		}
		p.net = n
		return p, nil
	}
	if strings.Contains(text, "/") {
		return p, errors.New("there is no such network (as 192.0.2.0/24), and a path is not part of a host")
	}
	host, err := p.cutPort(text)
	if err != nil {
		return p, err
	}
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		p.net = netip.PrefixFrom(a, a.BitLen())
		return p, nil
	}
	p.name, err = namePattern(host)
	return p, err
}

// cutPort takes the port off the end of a pattern, where it has one.
func (p *hostPattern) cutPort(text string) (string, error) {
	if _, err := netip.ParseAddr(text); err == nil {
		return text, nil // 2001:db8::1 has colons and no port
	}
	host, port := text, ""
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host, port = text[:i], text[i+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return "", fmt.Errorf("%q is no port: it is a number from 1 to 65535", port)
		}
		p.port = uint16(n)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host, ok = strings.CutSuffix(inner, "]")
		if a, err := netip.ParseAddr(host); !ok || err != nil || !a.Is6() {
			return "", errors.New("there is no IPv6 address in the brackets")
		}
	}
	return host, nil
}

// namePattern is a name in the form that connections have it.
func namePattern(host string) (string, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" {
		return "", errors.New("it has no name")
	}
	if slices.Contains(strings.Split(host, "."), "") {
		return "", errors.New("there is an empty part between its dots")
	}
	for _, r := range host {
		if r >= 0x80 {
			// The tables that translate are 0.2 MB; the hints of reports have it so.
			return "", errors.New("write it in its ASCII form, xn--…")
		}
		if !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.*", r)) {
			return "", fmt.Errorf("%q cannot be in a name", r)
		}
	}
	return host, nil
}
