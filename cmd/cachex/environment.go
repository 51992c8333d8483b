package main

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// proxyVariables tell programs of a proxy. The build doesn't get the host's:
// cachex itself goes through that proxy, and a build that spoke to it directly
// would take a longer way to the same place.
var proxyVariables = []string{"http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy"}

// buildEnvironment is the user's environment with the trust variables in place
// and without the host's proxy.
func buildEnvironment(user, trust []string) []string {
	env := make([]string, 0, len(user)+len(trust))
	for _, kv := range user {
		name, _, _ := strings.Cut(kv, "=")
		if slices.Contains(proxyVariables, strings.ToLower(name)) {
			continue
		}
		if slices.ContainsFunc(trust, func(t string) bool { return strings.HasPrefix(t, name+"=") }) {
			continue
		}
		env = append(env, kv)
	}
	return append(env, trust...)
}

// loopbackProxies are the addresses of proxies on the host's loopback. Settings
// of single tools (.npmrc, apt.conf) often name the same; in the sandbox that
// address leads to cachex.
func loopbackProxies(getenv func(string) string) []netip.AddrPort {
	var found []netip.AddrPort
	for _, name := range proxyVariables[:3] {
		for _, v := range []string{getenv(name), getenv(strings.ToUpper(name))} {
			if !strings.Contains(v, "://") {
				v = "http://" + v
			}
			u, err := url.Parse(v)
			if err != nil {
				continue
			}
			host := u.Hostname()
			if host == "localhost" {
				host = "127.0.0.1"
			}
			ap, err := netip.ParseAddrPort(host + ":" + u.Port())
			if err == nil && ap.Addr().IsLoopback() && !slices.Contains(found, ap) {
				found = append(found, ap)
			}
		}
	}
	return found
}
