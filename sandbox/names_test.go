package sandbox

import (
	"net/netip"
	"slices"
	"testing"
)

func TestLoopbackServers(t *testing.T) {
	addr := netip.MustParseAddr
	for resolv, want := range map[string][]netip.Addr{
		"nameserver 127.0.0.53\noptions edns0\n":                {addr("127.0.0.53")},
		"nameserver 192.0.2.1\nnameserver 127.0.0.1\n":          {addr("127.0.0.1")},
		"nameserver 192.0.2.1\n":                                {},
		"# nameserver 127.0.0.9\nnameserver ::1\n":              {addr("::1")},
		"nameserver fe80::1%eth0\nnameserver ::ffff:127.0.0.5 ": {addr("127.0.0.5")},
		"": {addr("127.0.0.1"), addr("::1")},
		"nameserver\nnameserver not-an-address\n": {addr("127.0.0.1"), addr("::1")},
	} {
		if got := loopbackServers([]byte(resolv)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", resolv, got, want)
		}
	}
}

// stays is what the tables below have for a file that needs no private copy.
const stays = "(stays)"

func checkPrivate(t *testing.T, private func([]byte) []byte, table map[string]string) {
	t.Helper()
	for in, want := range table {
		got := stays
		if b := private([]byte(in)); b != nil {
			got = string(b)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPrivateResolv(t *testing.T) {
	checkPrivate(t, privateResolv, map[string]string{
		"nameserver 192.0.2.1\n":                         stays,
		"nameserver fe80::1%eth0\nnameserver 192.0.2.1":  stays,
		"search example\n":                               stays,
		"search example\nnameserver fe80::1%eth0\n":      "nameserver 192.0.2.53\nsearch example\n",
		"nameserver fe80::1%a\nnameserver fe80::2%a\n#c": "nameserver 192.0.2.53\n#c",
	})
}

func TestPrivateSwitch(t *testing.T) {
	checkPrivate(t, privateSwitch, map[string]string{
		"passwd: files systemd\nhosts: files dns\n":                      stays,
		"hosts:          files dns myhostname # a comment\n":             stays,
		"hosts: files mdns4_minimal [NOTFOUND=return] resolve dns\nx: y": "hosts: files dns\nx: y",
		"passwd: files\nhosts: files nis\n":                              "passwd: files\nhosts: files dns\n",
		"#hosts: nis\n":                                                  stays,
	})
}

func TestPrivateHosts(t *testing.T) {
	private := func(b []byte) []byte { return privateHosts(b, "box") }
	checkPrivate(t, private, map[string]string{
		"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\n": stays,
		"# comment\n\n127.0.0.1 localhost # here\n":                                             stays,
		// Debian and cloud images name the machine with and without its domain.
		"127.0.1.1 box.corp.example box\n":                     stays,
		"192.0.2.7 box.corp.example box\n":                     "127.0.0.1 box.corp.example box\n",
		"192.0.2.7 BOX\n":                                      "127.0.0.1 BOX\n",
		"192.0.2.7 box.corp.example\n":                         "",
		"192.0.2.8 registry.example\n":                         "",
		"192.0.2.8 registry.example\n127.0.0.1 localhost\n":    "127.0.0.1 localhost\n",
		"127.0.0.1 localhost registry.example\n":               "127.0.0.1 localhost\n",
		"127.0.0.1 ads.example\n0.0.0.0 tracker.example\n#end": "#end",
	})
}

func TestOwnNamesOfLongHostname(t *testing.T) {
	got := ownNames([]string{"box.corp.example", "box", "box.other.example", "registry.example"}, "box.corp.example")
	if want := []string{"box.corp.example", "box", "box.other.example"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := ownNames([]string{"registry.example"}, ""); len(got) != 0 {
		t.Errorf("without a host name: %v", got)
	}
}
