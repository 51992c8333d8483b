package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"cachex/proxy"
)

// hint is a flag, or a way to call cachex, that would have helped, and why. REPORT.md describes the fields.
type hint struct {
	Kind   string `json:"kind"`
	Host   string `json:"host,omitempty"`
	Client string `json:"client,omitempty"` // the program, where it is known
	Times  int    `json:"times"`
	Flag   string `json:"flag"`
}

// maxHints bounds what is remembered, shownHints what a terminal is filled with.
const (
	maxHints   = 200
	shownHints = 8
)

// The kinds of hints beside proxy's obstacles.
const (
	kindDenied   = "denied"
	kindHostPort = "host-port"
	kindSudo     = "sudo"
)

// missed adds hints for loopback ports that are open on the host.
func (a *account) missed(ports []uint16) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range ports {
		if len(a.hints) < maxHints {
			n := strconv.Itoa(int(p))
			a.hints = append(a.hints, hint{kindHostPort, "localhost:" + n, "", 1, "--host-port " + n})
		}
	}
}

// powerless adds a hint when the command called sudo in vain.
func (a *account) powerless(called bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if called && len(a.hints) < maxHints {
		a.hints = append(a.hints, hint{kindSudo, "", "sudo", 1, "sudo cachex run"})
	}
}

// addHint learns from an exchange. A client that was not known at first is
// named when it is.
func (a *account) addHint(x proxy.Exchange) {
	u, err := url.Parse(x.URL)
	kind, flag := string(x.Obstacle), "--passthrough "
	if x.Denied {
		kind, flag = kindDenied, "--allow "
	}
	if err != nil || kind == "" {
		return
	}
	host := u.Hostname()
	flag += host
	if pattern, ok := strings.CutPrefix(x.Reason, "denied by "); ok && x.Denied {
		flag = pattern
	}
	for i := range a.hints {
		h := &a.hints[i]
		if h.Kind == kind && h.Host == host && (h.Client == x.Client || h.Client == "" || x.Client == "") {
			h.Times++
			if h.Client == "" {
				h.Client = x.Client
			}
			return
		}
	}
	if len(a.hints) < maxHints {
		a.hints = append(a.hints, hint{kind, host, x.Client, 1, flag})
	}
}

// why says what stands in the way, after the flag.
func (h hint) why() string {
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
	switch proxy.Obstacle(h.Kind) {
	case proxy.ClientCertificate:
		return "the host asks for a client certificate"
	case proxy.HelloEncrypted:
		return client + " insists on Encrypted Client Hello"
	}
	return client + " refuses the run's certificate"
}

// writeHints names the flags that would have helped.
func writeHints(w io.Writer, hints []hint, p palette) {
	for _, h := range hints[:min(len(hints), shownHints)] {
		do := "try "
		if strings.HasPrefix(h.Flag, "--deny ") {
			do = "leave out "
		}
		fmt.Fprintf(w, "%s %s%s\n  %s\n", p.title.Render("cachex: hint:"), do, h.Flag, h.why())
	}
	if n := len(hints) - shownHints; n > 0 {
		fmt.Fprintf(w, "%s %s more like these; --report json=FILE has all\n", p.title.Render("cachex: hint:"), humanize.Comma(int64(n)))
	}
}
