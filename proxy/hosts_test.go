package proxy

import "testing"

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		pattern, host string
		port          uint16
		want          bool
	}{
		{"registry.example", "registry.example", 443, true},
		{"registry.example", "Registry.Example.", 80, true},
		{"registry.example", "a.registry.example", 443, false},
		{"registry.example", "registry.example.org", 443, false},
		{"*.registry.example", "a.registry.example", 443, true},
		{"*.registry.example", "a.b.registry.example", 443, true},
		{"*.registry.example", "registry.example", 443, false},
		{"*.registry.example", "notregistry.example", 443, false},
		{"mirror-*.example", "mirror-1.eu.example", 443, true},
		{"registry.example:8443", "registry.example", 8443, true},
		{"registry.example:8443", "registry.example", 443, false},
		{"*", "registry.example", 1, true},
		{"*", "192.0.2.1", 1, true},
		{"*:22", "192.0.2.1", 22, true},
		{"*:22", "192.0.2.1", 443, false},
		{"192.0.2.1", "192.0.2.1", 443, true},
		{"192.0.2.1", "::ffff:192.0.2.1", 443, true},
		{"192.0.2.1:22", "192.0.2.1", 443, false},
		{"192.0.2.0/24", "192.0.2.77", 443, true},
		{"192.0.2.0/24", "192.0.3.77", 443, false},
		{"192.0.2.0/24", "registry.example", 443, false},
		{"1*", "192.0.2.1", 443, false},
		{"2001:db8::1", "2001:db8:0::1", 443, true},
		{"[2001:db8::1]", "2001:db8::1", 443, true},
		{"[2001:db8::1]:443", "2001:db8::1", 443, true},
		{"[2001:db8::1]:443", "2001:db8::1", 80, false},
		{"2001:db8::/32", "2001:db8::1", 443, true},
		{"*.xn--bcher-kva.example", "a.xn--bcher-kva.example", 443, true},
		{"_srv.registry.example", "_srv.registry.example", 443, true},
	} {
		h, err := ParseHosts([]string{"nothing.invalid", c.pattern})
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := h.Match(c.host, c.port); got != c.want {
			t.Errorf("%s matches %s:%d: %t", c.pattern, c.host, c.port, got)
		}
		if got := h.Find(c.host, c.port); (got == c.pattern) != c.want {
			t.Errorf("%s finds %q for %s:%d", c.pattern, got, c.host, c.port)
		}
	}
	if (Hosts)(nil).Match("registry.example", 443) {
		t.Error("the zero value matches")
	}
}

func TestHostsWrong(t *testing.T) {
	for _, pattern := range []string{
		"", " ", "a b", "https://registry.example", "registry.example/path", "registry.example:", "registry.example:0",
		"registry.example:65536", "registry.example:https", "10.0.0.1/33", "10.0.0.1/8", "[::1", "[192.0.2.1]", "[x]:1", ":443", ".", "a..b",
		".registry.example", "[a-z].example", "a?.example", "a,b", "bücher.example", "user@registry.example", "\x00", "a\nb",
	} {
		if h, err := ParseHosts([]string{pattern}); err == nil {
			t.Errorf("%q is taken for %+v", pattern, h)
		}
	}
}

func FuzzHosts(f *testing.F) {
	for _, s := range []string{"registry.example", "*.registry.example:8443", "[2001:db8::1]:443", "192.0.2.0/24", "bücher.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHosts([]string{s})
		if err != nil {
			return
		}
		h.Match("registry.example", 443)
		// A pattern without * is a host, and matches itself.
		if p := h[0]; p.name != "" && p.name != "*" && !p.net.IsValid() && !h.Match(p.name, p.port) {
			t.Errorf("%q does not match itself", s)
		}
	})
}
