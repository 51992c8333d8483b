package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fault is a way in which the origin fails.
type fault string

const (
	noFault        fault = "none"
	faultResetHead fault = "reset before the header"
	faultReset     fault = "reset in mid-body"
	faultEnd       fault = "clean end in mid-body (short length, chunked without end, RST_STREAM)"
	faultStallHead fault = "stall before the header, then reset"
	faultStall     fault = "stall in mid-body, then reset"
	faultHang      fault = "stall in mid-body for longer than the proxy waits"
	fault500       fault = "500"
	fault503       fault = "503 with Retry-After"
	fault429       fault = "429 with Retry-After"
	faultLong      fault = "Content-Length too large"
	faultShort     fault = "Content-Length too small (digest known)"
	faultLie       fault = "other bytes (digest known)"
	faultCoding    fault = "gzip stream cut, message whole"
	faultSlow      fault = "slow loris"
	faultRefused   fault = "connection refused"
	faultAlert     fault = "TLS alert"
	faultGoAway    fault = "GOAWAY or Connection: close"
	faultGarbage   fault = "no HTTP"
	faultHints     fault = "103 many times"
	faultChange    fault = "document changes in mid-body, then reset"
	faultRange     fault = "206 of another range than asked for"
)

// stall is how long the origin says nothing before it gives up.
const stall = 100 * time.Millisecond

// choose takes a fault that fits the request.
func (d *paper) choose(rng *rand.Rand, r *http.Request, a reply) fault {
	some := []fault{
		faultResetHead, faultStallHead, fault500, fault503, fault429, faultSlow, faultRefused, faultGoAway, faultHints,
	}
	if r.TLS != nil {
		some = append(some, faultAlert)
	}
	if r.ProtoMajor == 1 {
		some = append(some, faultGarbage)
	}
	hasBody := len(a.body) > 0 && r.Method != http.MethodHead
	if hasBody {
		some = append(some, faultReset, faultReset, faultStall)
		if rng.IntN(10) == 0 { // each costs seconds
			some = append(some, faultHang)
		}
		if d.framing != "close" { // there nobody can tell it from the end
			some = append(some, faultEnd, faultEnd)
		}
		if d.framing == "length" {
			some = append(some, faultLong)
		}
		if !d.artifact {
			some = append(some, faultChange, faultChange)
		}
	}
	if d.digest && a.whole && hasBody && len(a.body) > 10 {
		some = append(some, faultLie)
		if d.framing == "length" && r.ProtoMajor == 1 {
			some = append(some, faultShort)
		}
	}
	if a.header.Get("Content-Encoding") != "" && a.whole && hasBody {
		some = append(some, faultCoding)
	}
	if a.status == http.StatusPartialContent && len(a.body) > 10 {
		some = append(some, faultRange, faultRange)
	}
	return some[rng.IntN(len(some))]
}

// play is one answer of the origin, fault included.
type play struct {
	o   *badOrigin
	d   *paper
	w   http.ResponseWriter
	r   *http.Request
	rng *rand.Rand
	fault
	reply
}

func (p *play) run() {
	switch p.fault {
	case faultResetHead:
		p.reset()
	case faultStallHead:
		p.wait(stall)
		p.reset()
	case fault500:
		http.Error(p.w, "origin: out of order", http.StatusInternalServerError)
		return
	case fault503, fault429:
		p.w.Header().Set("Retry-After", strconv.Itoa(p.rng.IntN(2)))
		http.Error(p.w, "origin: come again", map[fault]int{fault503: 503, fault429: 429}[p.fault])
		return
	case faultRefused, faultAlert: // of connections to come, so this one ends
		map[fault]interface{ Add(int64) int64 }{faultRefused: &p.o.refuse, faultAlert: &p.o.alert}[p.fault].Add(1 + p.rng.Int64N(2))
		p.reset()
	case faultGarbage:
		p.garbage()
	case faultHints:
		for range 5 {
			p.w.Header().Set("Link", "</style.css>; rel=preload")
			p.w.WriteHeader(http.StatusEarlyHints)
		}
	case faultLie:
		p.body = slices.Clone(p.body)
		p.body[p.rng.IntN(len(p.body))] ^= 1
		p.d.addLie(p.body)
	case faultShort:
		p.d.addLie(p.body[:len(p.body)-1])
	case faultCoding:
		p.body = p.body[:len(p.body)-1-p.rng.IntN(len(p.body)/2)]
	case faultRange:
		p.otherRange()
	}
	p.send()
}

// send writes header and body, up to where the fault strikes.
func (p *play) send() {
	h := p.w.Header()
	for name, v := range p.header {
		h[name] = v
	}
	length := len(p.body)
	switch p.fault {
	case faultLong:
		length += 1 + p.rng.IntN(1000)
		p.d.addLength(length)
	case faultShort:
		length--
	case faultGoAway:
		h.Set("Connection", "close")
	}
	if p.status != http.StatusNotModified {
		switch {
		case p.d.framing == "length" || p.status != http.StatusOK:
			h.Set("Content-Length", strconv.Itoa(length))
		case p.d.framing == "close" && p.r.ProtoMajor == 1:
			h.Set("Transfer-Encoding", "identity")
		}
	}
	p.w.WriteHeader(p.status)
	if p.r.Method == http.MethodHead || p.status == http.StatusNotModified {
		return
	}
	if !slices.Contains([]fault{faultReset, faultEnd, faultStall, faultHang, faultChange}, p.fault) {
		p.write(p.body)
		return
	}
	p.write(p.body[:p.rng.IntN(len(p.body))])
	http.NewResponseController(p.w).Flush()
	switch p.fault {
	case faultEnd:
		panic(http.ErrAbortHandler)
	case faultStall:
		p.wait(stall)
	case faultHang:
		p.wait(3 * modelStall)
	case faultChange:
		p.o.documents[p.d.host+p.d.path].change()
	}
	p.reset()
}

func (p *play) write(b []byte) {
	if p.fault == faultSlow {
		for range min(len(b), 20) {
			p.w.Write(b[:1])
			b = b[1:]
			http.NewResponseController(p.w).Flush()
			p.wait(time.Millisecond)
		}
	}
	for len(b) > 0 {
		n := min(len(b), 1+p.rng.IntN(64<<10))
		if _, err := p.w.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

// wait is for a client to be kept waiting, unless it goes away.
func (p *play) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.r.Context().Done():
	}
}

// reset ends the connection in the rudest way, and the handler.
func (p *play) reset() {
	c := p.r.Context().Value(rawConnKey{}).(net.Conn)
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	panic(http.ErrAbortHandler)
}

func (p *play) garbage() {
	c, _, err := http.NewResponseController(p.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer c.Close()
	io.WriteString(c, pick(p.rng, "SSH-2.0-x\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "HTTP/1.1 200 OK\r\n no\r\n", "\x00"))
	panic(http.ErrAbortHandler)
}

// otherRange makes a 206 that is right in itself, but not what was asked for.
func (p *play) otherRange() {
	var first, last, total int
	fmt.Sscanf(p.header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &total)
	cut := 1 + p.rng.IntN(len(p.body)-1)
	p.header = p.header.Clone()
	p.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first+cut, last, total))
	p.body = p.body[cut:]
}

func nullLog() *log.Logger { return log.New(io.Discard, "", 0) }

// table says what was injected, and how often.
func (o *badOrigin) table() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var lines []string
	for f, n := range o.faults {
		lines = append(lines, fmt.Sprintf("%6d  %s", n, f))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
