package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
)

// Reach says which hosts a build may reach, whether kept or not. The zero value
// allows all.
type Reach struct {
	// Allow are the only hosts that may be reached; without any, all are.
	Allow Hosts
	// Deny are hosts that may not be reached, those of Allow included.
	Deny Hosts
}

// Denied says why a host may not be reached, "" when it may. The host is a name,
// or an address without brackets; what a name resolves to is not looked at.
func (r Reach) Denied(host string, port uint16) string {
	if pattern := r.Deny.Find(host, port); pattern != "" {
		return "denied by --deny " + pattern
	}
	if len(r.Allow) > 0 && !r.Allow.Match(host, port) {
		return "denied: no --allow names it"
	}
	return ""
}

// deniedURL says why a URL may not be asked for.
func (p *Proxy) deniedURL(u *url.URL) string {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil { // none
		port = map[string]uint64{"http": 80, "https": 443}[u.Scheme]
	}
	return p.Reach.Denied(u.Hostname(), uint16(port))
}

// refuseDenied answers a request that may not be sent, and tells whether it did.
func (p *Proxy) refuseDenied(w http.ResponseWriter, q *query) bool {
	why := p.deniedURL(q.url)
	if why == "" {
		return false
	}
	q.x.ex.Cause = CauseDenied
	p.refuse(w, q, why)
	return true
}

// barred says why no connection may be opened, as what or to where it is; x is
// told of it. Otherwise it is "".
func (p *Proxy) barred(x *exchange, d destination, what string) string {
	if why := p.Reach.Denied(d.host, d.port); why != "" {
		x.ex.Cause = CauseDenied
		return why
	}
	if why := p.unnamedTunnel(x.ex.URL); why != "" {
		x.ex.Cause = CauseFrozen
		return why
	}
	if p.Offline {
		return "offline: " + what
	}
	return ""
}

var errDenied = errors.New("the host is denied")
