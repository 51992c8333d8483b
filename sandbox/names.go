package sandbox

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
)

// How libc looks names up is told by three files. In the sandbox each of them
// must lead to our name server; these functions say what to change, if anything.

// loopbackServers are the name servers of a resolv.conf that are on loopback,
// where the sandbox must answer as well. Without any "nameserver" line that is
// where a resolver asks (resolv.conf(5)).
func loopbackServers(resolv []byte) []netip.Addr {
	servers := nameserverLines(resolv)
	if len(servers) == 0 {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	}
	return slices.DeleteFunc(servers, func(a netip.Addr) bool { return !a.IsLoopback() })
}

func nameserverLines(resolv []byte) []netip.Addr {
	var all []netip.Addr
	for line := range strings.Lines(string(resolv)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			all = append(all, a.Unmap())
		}
	}
	return all
}

// anyServer is a name server's address: all lead to ours (TEST-NET-1, RFC 5737).
const anyServer = "192.0.2.53"

// privateResolv replaces name servers that need an interface of the host (such
// as fe80::1%wlan0). It returns nil when the file can stay.
func privateResolv(resolv []byte) []byte {
	servers := nameserverLines(resolv)
	if len(servers) == 0 || slices.ContainsFunc(servers, func(a netip.Addr) bool { return a.Zone() == "" }) {
		return nil
	}
	var out bytes.Buffer
	out.WriteString("nameserver " + anyServer + "\n")
	for line := range bytes.Lines(resolv) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("nameserver")) {
			out.Write(line)
		}
	}
	return out.Bytes()
}

// privateSwitch makes nsswitch.conf look hosts up in files and by DNS alone:
// other services ask daemons outside, over sockets that the network namespace
// does not separate. It returns nil when the file can stay.
func privateSwitch(nsswitch []byte) []byte {
	var out bytes.Buffer
	changed := false
	for line := range bytes.Lines(nsswitch) {
		plain, _, _ := bytes.Cut(line, []byte("#"))
		database, services, ok := bytes.Cut(plain, []byte(":"))
		if !ok || string(bytes.TrimSpace(database)) != "hosts" {
			out.Write(line)
			continue
		}
		words := strings.Fields(string(services))
		if slices.Contains(words, "dns") && !slices.ContainsFunc(words, func(w string) bool {
			return w != "files" && w != "dns" && w != "myhostname"
		}) {
			out.Write(line)
			continue
		}
		changed = true
		out.WriteString("hosts: files dns\n")
	}
	if !changed {
		return nil
	}
	return out.Bytes()
}

// privateHosts keeps of a hosts file what is true in the sandbox: the names of
// this machine, on loopback. Other names are left to our name server, so that
// a connection to them is seen as one to that name. It returns nil when the file
// can stay.
func privateHosts(hosts []byte, hostname string) []byte {
	out := bytes.NewBuffer([]byte{}) // not nil, even if nothing is left
	changed := false
	for line := range bytes.Lines(hosts) {
		plain, _, _ := bytes.Cut(line, []byte("#"))
		f := strings.Fields(string(plain))
		if len(f) < 2 {
			out.Write(line)
			continue
		}
		addr, err := netip.ParseAddr(f[0])
		own := ownNames(f[1:], hostname)
		special := err == nil && (addr.IsMulticast() || addr.Is6() && addr.IsUnspecified())
		local := err == nil && addr.IsLoopback()
		switch {
		case special, local && len(own) == len(f)-1:
			out.Write(line)
			continue
		case local && len(own) > 0:
			out.WriteString(f[0] + " " + strings.Join(own, " ") + "\n")
		case len(own) > 0:
			out.WriteString("127.0.0.1 " + strings.Join(own, " ") + "\n")
		}
		changed = true
	}
	if !changed {
		return nil
	}
	return out.Bytes()
}

// ownNames are those of a line that mean this machine: "localhost" and the
// like, and on the line of the host name its name with a domain as well.
func ownNames(names []string, hostname string) []string {
	short, _, _ := strings.Cut(strings.ToLower(hostname), ".")
	isHost := func(name string) bool {
		name = strings.ToLower(name)
		return hostname != "" && (name == short || name == strings.ToLower(hostname))
	}
	hosts := slices.ContainsFunc(names, isHost)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		lower := strings.ToLower(name)
		return !strings.HasPrefix(lower, "localhost") && !strings.HasPrefix(lower, "ip6-") && !isHost(name) &&
			!(hosts && strings.HasPrefix(lower, short+"."))
	})
}
