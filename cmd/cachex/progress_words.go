package main

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"cachex/cmd/cachex/report"
	"cachex/proxy"
)

// progressWords says how far a run is. It remembers how much had come a moment ago.
type progressWords struct {
	now  func() time.Time
	past []cameBy // the oldest first
}

// cameBy is how many bytes had come by a time.
type cameBy struct {
	at    time.Time
	bytes int64
}

// rateOver is the time over which a rate is taken.
const rateOver = 3 * time.Second

func (w *progressWords) of(t report.Counts, under []proxy.Live) string {
	came := t.BytesNetwork
	var named proxy.Live
	downloads := 0
	for _, l := range under {
		came += l.Received
		if l.Received == 0 && l.Length == 0 {
			continue
		}
		downloads++
		if downloads == 1 || l.Length > named.Length {
			named = l
		}
	}
	line := fmt.Sprintf("cachex: %s, %s cached, %s fetched", report.Plural(t.Requests+len(under), "request"), report.Size(t.BytesCache), report.Size(came))
	if rate := w.rate(came); rate > 0 {
		line += fmt.Sprintf(", %s/s", report.Size(rate))
	}
	if downloads > 0 {
		line += fmt.Sprintf("; %s: %s", report.Plural(downloads, "download"), howFar(named))
	} else if len(under) > 0 {
		line += "; " + humanize.Comma(int64(len(under))) + " under way"
	}
	return line
}

// rate is in bytes a second.
func (w *progressWords) rate(came int64) int64 {
	now := w.now()
	w.past = append(w.past, cameBy{now, came})
	for len(w.past) > 2 && now.Sub(w.past[1].at) >= rateOver {
		w.past = w.past[1:]
	}
	first := w.past[0]
	passed := now.Sub(first.at)
	if passed < rateOver/6 {
		return 0 // one would be made up
	}
	return max(0, int64(float64(came-first.bytes)/passed.Seconds()))
}

// howFar is the last name of a URL, and how much of it has come.
func howFar(l proxy.Live) string {
	name, _, _ := strings.Cut(l.URL, "?")
	name = shownName(path.Base(name))
	if l.Length <= 0 {
		return name + " " + report.Size(l.Received)
	}
	return fmt.Sprintf("%s %d%% of %s", name, 100*l.Received/l.Length, report.Size(l.Length))
}
