package main

import (
	"fmt"
	"io"
	"net/url"

	"github.com/dustin/go-humanize"

	"cachex/proxy"
)

// hint is a flag that would have helped, and why. REPORT.md describes the fields.
type hint struct {
	Kind   string `json:"kind"`
	Host   string `json:"host"`
	Client string `json:"client,omitempty"` // the program, where it is known
	Times  int    `json:"times"`
	Flag   string `json:"flag"`
}

// maxHints bounds what is remembered, shownHints what a terminal is filled with.
const (
	maxHints   = 200
	shownHints = 8
)

// addHint learns from an exchange. A client that was not known at first is
// named when it is.
func (a *account) addHint(x proxy.Exchange) {
	u, err := url.Parse(x.URL)
	if err != nil || x.Obstacle == "" {
		return
	}
	host := u.Hostname()
	for i := range a.hints {
		h := &a.hints[i]
		if h.Kind == string(x.Obstacle) && h.Host == host && (h.Client == x.Client || h.Client == "" || x.Client == "") {
			h.Times++
			if h.Client == "" {
				h.Client = x.Client
			}
			return
		}
	}
	if len(a.hints) < maxHints {
		a.hints = append(a.hints, hint{string(x.Obstacle), host, x.Client, 1, "--passthrough " + host})
	}
}

// why says what stands in the way, after "--passthrough HOST: ".
func (h hint) why() string {
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
		fmt.Fprintf(w, "%s try %s\n  %s\n", p.title.Render("cachex: hint:"), h.Flag, h.why())
	}
	if n := len(hints) - shownHints; n > 0 {
		fmt.Fprintf(w, "%s %s more like these; --report json=FILE has all\n", p.title.Render("cachex: hint:"), humanize.Comma(int64(n)))
	}
}
