package main

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"cachex/proxy"
)

// counts are the sums that a report shows, for all hosts or for one. REPORT.md
// describes the fields.
type counts struct {
	Requests     int   `json:"requests"`
	Hit          int   `json:"hit"`
	Revalidated  int   `json:"revalidated"`
	Stale        int   `json:"stale"`
	Miss         int   `json:"miss"`
	Pass         int   `json:"pass"`
	Tunnel       int   `json:"tunnel"`
	Refused      int   `json:"refused"`
	Error        int   `json:"error"`
	BytesCache   int64 `json:"bytes_cache"`
	BytesNetwork int64 `json:"bytes_network"`
	SavedMS      int64 `json:"saved_ms"`
}

func (c *counts) add(x proxy.Exchange) {
	c.Requests++
	switch x.Outcome {
	case proxy.Hit:
		c.Hit++
	case proxy.Revalidated:
		c.Revalidated++
	case proxy.Stale:
		c.Stale++
	case proxy.Miss:
		c.Miss++
	case proxy.Pass:
		c.Pass++
	case proxy.Tunnel:
		c.Tunnel++
	case proxy.Refused:
		c.Refused++
	case proxy.Error:
		c.Error++
	}
	c.BytesNetwork += x.Network
	c.BytesCache += max(0, x.Bytes-x.Network)
	c.SavedMS += x.Saved.Milliseconds()
}

// hostCounts are the counts of one host.
type hostCounts struct {
	Host string `json:"host"`
	counts
}

// exchangeLine is an exchange as the JSON report writes it.
type exchangeLine struct {
	Method  string `json:"method"`
	URL     string `json:"url"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
	Status  int    `json:"status"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	// Expected is the digest that the lock names, and Accept the request's field,
	// of what was refused.
	Expected string `json:"expected,omitempty"`
	Accept   string `json:"accept,omitempty"`
	StartMS  int64  `json:"start_ms"`
	MS       int64  `json:"ms"`
}

// incident is a line of the text report: what went wrong or was not kept, and
// how often.
type incident struct {
	outcome proxy.Outcome
	method  string
	url     string
	reason  string
	times   int
}

// maxIncidents bounds what the text report remembers of single requests. The
// JSON report has all of them.
const maxIncidents = 200

// account sums up a run. Its memory depends on the number of hosts alone; the
// exchanges themselves go to the spool.
type account struct {
	mu        sync.Mutex
	started   time.Time
	totals    counts
	hosts     map[string]*hostCounts
	incidents []incident
	more      int // incidents beyond maxIncidents
	passed    map[string]int
	hints     []hint
	denied    int       // of the refused ones
	frozen    frozenOut // of the refused ones
	spool     *spool    // nil when no report wants single exchanges
	spoolErr  error
}

func newAccount(started time.Time, s *spool) *account {
	return &account{started: started, hosts: map[string]*hostCounts{}, passed: map[string]int{}, spool: s}
}

// record adds an exchange. It is safe for concurrent use.
func (a *account) record(x proxy.Exchange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.totals.add(x)
	host := "?"
	if u, err := url.Parse(x.URL); err == nil {
		host = u.Host
	}
	h := a.hosts[host]
	if h == nil {
		h = &hostCounts{Host: host}
		a.hosts[host] = h
	}
	h.add(x)
	switch x.Outcome {
	case proxy.Refused, proxy.Error, proxy.Stale, proxy.Tunnel:
		a.addIncident(x)
	case proxy.Pass:
		a.passed[x.Reason]++
	}
	if x.Denied {
		a.denied++
	}
	if x.Frozen {
		a.frozen.add(x.Expected != "", x.Network)
	}
	a.addHint(x)
	if a.spool == nil || a.spoolErr != nil {
		return
	}
	line, err := json.Marshal(exchangeLine{
		Method: x.Method, URL: x.URL, Outcome: string(x.Outcome), Reason: x.Reason, Status: x.Status,
		Bytes: x.Bytes, SHA256: x.SHA256, Expected: x.Expected, Accept: x.Accept, StartMS: x.Start.Sub(a.started).Milliseconds(), MS: x.Took.Milliseconds(),
	})
	if err == nil {
		err = a.spool.add(line)
	}
	a.spoolErr = err
}

func (a *account) addIncident(x proxy.Exchange) {
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

// byHost lists the hosts, the busiest first.
func (a *account) byHost() []hostCounts {
	list := make([]hostCounts, 0, len(a.hosts))
	for _, h := range a.hosts {
		list = append(list, *h)
	}
	slices.SortFunc(list, func(x, y hostCounts) int {
		if x.Requests != y.Requests {
			return y.Requests - x.Requests
		}
		return strings.Compare(x.Host, y.Host)
	})
	return list
}

// refused tells whether a request was refused.
func (a *account) refused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.totals.Refused > 0
}
