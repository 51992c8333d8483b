package report

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// Hint is a flag, or a way to call cachex, that would have helped, and why.
type Hint struct {
	Kind   string `json:"kind"`
	Host   string `json:"host,omitempty"`
	Client string `json:"client,omitempty"` // the program, "" where it is not known
	Times  int    `json:"times"`
	Flag   string `json:"flag"`
}

// maxHints bounds what is remembered, shownHints what a terminal is filled with.
const (
	maxHints   = 200
	shownHints = 8
)

// The kinds of hints: first the obstacles, as the package proxy names them.
const (
	clientCertificate = "client-certificate"
	encryptedHello    = "encrypted-hello"

	kindDenied   = "denied"
	kindHostPort = "host-port"
	kindSudo     = "sudo"
)

// Missed adds hints for loopback ports that are open on the host.
func (a *Account) Missed(ports []uint16) {
	for _, p := range ports {
		if len(a.Hints) < maxHints {
			n := strconv.Itoa(int(p))
			a.Hints = append(a.Hints, Hint{kindHostPort, "localhost:" + n, "", 1, "--host-port " + n})
		}
	}
}

// Powerless adds a hint when the command called sudo in vain.
func (a *Account) Powerless(called bool) {
	if called && len(a.Hints) < maxHints {
		a.Hints = append(a.Hints, Hint{kindSudo, "", "sudo", 1, "sudo cachex run"})
	}
}

// addHint learns from an exchange. A client that was not known at first is
// named when it is.
func (a *Account) addHint(x Exchange) {
	u, err := url.Parse(x.URL)
	kind, flag := x.Obstacle, "--passthrough "
	if x.Cause == CauseDenied {
		kind, flag = kindDenied, "--allow "
	}
	if err != nil || kind == "" {
		return
	}
	host := u.Hostname()
	flag += host
	if pattern, ok := strings.CutPrefix(x.Reason, "denied by "); ok && x.Cause == CauseDenied {
		flag = pattern
	}
	for i := range a.Hints {
		h := &a.Hints[i]
		if h.Kind == kind && h.Host == host && (h.Client == x.Client || h.Client == "" || x.Client == "") {
			h.Times++
			if h.Client == "" {
				h.Client = x.Client
			}
			return
		}
	}
	if len(a.Hints) < maxHints {
		a.Hints = append(a.Hints, Hint{kind, host, x.Client, 1, flag})
	}
}

// why says what stands in the way, after the flag.
func (h Hint) why() string {
	switch h.Kind {
	case kindDenied:
		return "to let the command reach " + h.Host
	case kindSudo:
		return "the command called sudo, which has no power in a user namespace"
	case kindHostPort:
		return "the command found " + h.Host + " closed; it is open outside the sandbox"
	}
	client := h.Client
	if client == "" {
		client = "a client"
	}
	switch h.Kind {
	case clientCertificate:
		return "the host asks for a client certificate"
	case encryptedHello:
		return client + " insists on Encrypted Client Hello"
	}
	return client + " refuses the run's certificate"
}

// do says what to do with the flag.
func (h Hint) do() string {
	if strings.HasPrefix(h.Flag, "--deny ") {
		return "leave out "
	}
	return "try "
}

// writeHints names the flags that would have helped.
func writeHints(w io.Writer, hints []Hint, p Palette) {
	for _, h := range hints[:min(len(hints), shownHints)] {
		fmt.Fprintf(w, "%s %s%s\n  %s\n", p.Title.Render("cachex: hint:"), h.do(), h.Flag, h.why())
	}
	if n := len(hints) - shownHints; n > 0 {
		fmt.Fprintf(w, "%s %s more like these; --report json=FILE has all\n", p.Title.Render("cachex: hint:"), humanize.Comma(int64(n)))
	}
}
