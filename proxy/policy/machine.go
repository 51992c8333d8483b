package policy

import (
	"net/http"
	"net/netip"
	"net/url"
)

// AboutMachine tells whether a request is for what is true of this machine at
// this moment alone, as a cloud's metadata service tells its machines:
// identity, credentials, notices of an end. Its answers are worth nothing
// elsewhere or later, and worth much to a thief.
//
// Such services are at link-local addresses (RFC 3927, RFC 4291 section 2.5.6),
// or want a field that a browser or a redirect cannot be made to send.
func AboutMachine(u *url.URL, h http.Header) bool {
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		if a = a.Unmap(); a.IsLinkLocalUnicast() || a == metadataV6() {
			return true
		}
	}
	for _, name := range []string{"Metadata-Flavor", "Metadata", "X-Aws-Ec2-Metadata-Token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

// metadataV6 is where EC2 has its service for IPv6, a unique local address.
func metadataV6() netip.Addr { return netip.MustParseAddr("fd00:ec2::254") }
