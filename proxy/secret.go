package proxy

import (
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
)

// admit tells whether a client may use a proxy with a secret, and answers it
// with a 407 when it may not (RFC 9110 section 15.5.8). What was once admitted on
// a connection stays so: what follows a CONNECT shows no credentials.
func (p *Proxy) admit(w http.ResponseWriter, r *http.Request, c *conn) bool {
	if !c.stranger {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token))
	_, password, _ := strings.Cut(string(plain), ":")
	shown := err == nil && strings.EqualFold(scheme, "Basic") && subtle.ConstantTimeCompare([]byte(password), []byte(p.Secret)) == 1
	switch {
	case !shown && (p.Trusted == nil || !p.Trusted(c.Conn)):
	case r.Method == http.MethodConnect, r.URL.IsAbs():
		return true
	default: // it was not sent to a proxy, but to this address
		http.Error(w, "cachex: this is a proxy, not a server", http.StatusBadRequest)
		return false
	}
	w.Header().Set("Proxy-Authenticate", `Basic realm="cachex"`)
	http.Error(w, "cachex: this proxy is for the command that it was started with", http.StatusProxyAuthRequired)
	return false
}
