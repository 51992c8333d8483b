package report

import (
	"slices"
	"strings"
	"syscall"
)

func (c *Counts) add(x Exchange) {
	c.Requests++
	switch x.Outcome {
	case Hit:
		c.Hit++
	case Revalidated:
		c.Revalidated++
	case Stale:
		c.Stale++
	case Miss:
		c.Miss++
	case Pass:
		c.Pass++
	case Tunnel:
		c.Tunnel++
	case Refused:
		c.Refused++
	case Error:
		c.Error++
	}
	c.BytesNetwork += x.Network
	c.BytesCache += max(0, x.Bytes-x.Network)
	c.SavedMS += x.SavedMS
}

// incident is a line of the text report: what went wrong or was not kept, and
// how often.
type incident struct {
	outcome string
	method  string
	url     string
	reason  string
	times   int
}

// maxIncidents bounds what the text report remembers of single requests. The
// JSON report has all of them.
const maxIncidents = 200

// Account sums exchanges up. Its memory depends on the number of hosts and of
// reasons alone. The zero value is not ready: see NewAccount. It is not safe for
// concurrent use.
type Account struct {
	Totals Counts
	Hints  []Hint

	hosts     map[string]*HostCounts
	incidents []incident
	more      int // incidents beyond maxIncidents
	passed    map[string]int
	missed    map[string]*group // by cause
	slowest   []Exchange        // of what was fetched, the slowest first
	largest   []Exchange
	denied    int       // of the refused ones
	frozen    frozenOut // of the refused ones
}

// NewAccount is an account of nothing.
func NewAccount() *Account {
	return &Account{hosts: map[string]*HostCounts{}, passed: map[string]int{}, missed: map[string]*group{}}
}

// Add adds an exchange.
func (a *Account) Add(x Exchange) {
	a.Totals.add(x)
	host := hostOf(x.URL)
	h := a.hosts[host]
	if h == nil {
		h = &HostCounts{Host: host}
		a.hosts[host] = h
	}
	h.add(x)
	switch x.Outcome {
	case Refused, Error, Stale, Tunnel:
		a.addIncident(x)
	case Pass:
		a.passed[x.Reason]++
	case Miss:
		g := a.missed[x.Cause]
		if g == nil {
			g = &group{}
			a.missed[x.Cause] = g
		}
		g.add(x)
	}
	if x.Network > 0 && (x.Outcome == Miss || x.Outcome == Pass) {
		a.slowest = keepTop(a.slowest, x, byTime)
		a.largest = keepTop(a.largest, x, bySize)
	}
	switch x.Cause {
	case CauseDenied:
		a.denied++
	case CauseFrozen:
		a.frozen.add(x)
	}
	a.addHint(x)
}

// hostOf is the host of an exchange's URL, with the port. To take the URL apart would be
// a tenth of what a hit takes.
func hostOf(u string) string {
	_, rest, ok := strings.Cut(u, "://")
	if !ok {
		return "?"
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest[strings.LastIndexByte(rest, '@')+1:]
}

func (a *Account) addIncident(x Exchange) {
	for i := range a.incidents {
		in := &a.incidents[i]
		if in.outcome == x.Outcome && in.url == x.URL && in.method == x.Method {
			in.times++
			return
		}
	}
	if len(a.incidents) == maxIncidents {
		a.more++
		return
	}
	a.incidents = append(a.incidents, incident{x.Outcome, x.Method, x.URL, x.Reason, 1})
}

// Hosts lists the hosts, the busiest first.
func (a *Account) Hosts() []HostCounts {
	list := make([]HostCounts, 0, len(a.hosts))
	for _, h := range a.hosts {
		list = append(list, *h)
	}
	slices.SortFunc(list, func(x, y HostCounts) int {
		if x.Requests != y.Requests {
			return y.Requests - x.Requests
		}
		return strings.Compare(x.Host, y.Host)
	})
	return list
}

// frozenOut counts what a lock has refused: what it does not name, and what was
// not as it says, be it kept or fetched.
type frozenOut struct{ unnamed, kept, fetched int }

func (f frozenOut) all() int { return f.unnamed + f.kept + f.fetched }

func (f *frozenOut) add(x Exchange) {
	switch {
	case x.Expected == "":
		f.unnamed++
	case x.Network > 0:
		f.fetched++
	default:
		f.kept++
	}
}

// Forbidden tells that a part of the cache directory is not the user's to write to:
// what root has left in it, most often.
func (a *Account) Forbidden() bool {
	for why := range a.passed {
		if strings.HasPrefix(why, "could not be kept") && strings.Contains(why, syscall.EACCES.Error()) {
			return true
		}
	}
	return false
}
