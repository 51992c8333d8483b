package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"cachex/cmd/cachex/report"
	"cachex/proxy"
)

// account collects a run's exchanges for its report. It is safe for concurrent
// use.
type account struct {
	started time.Time

	mu    sync.Mutex
	sum   *report.Account
	spool *report.Spool // nil when no report wants single exchanges

	log requestLog
}

func newAccount(started time.Time, spool *report.Spool) *account {
	return &account{started: started, sum: report.NewAccount(), spool: spool}
}

// record adds an exchange.
func (a *account) record(x proxy.Exchange) {
	line := report.Exchange{
		Method: x.Method, URL: x.URL, Outcome: string(x.Outcome), Reason: x.Reason, Cause: string(x.Cause), Status: x.Status,
		Bytes: x.Bytes, Network: x.Network, SHA256: x.SHA256, Expected: x.Expected, Accept: x.Accept, Type: x.Type,
		StartMS: x.Start.Sub(a.started).Milliseconds(), WaitMS: x.Wait.Milliseconds(), MS: x.Took.Milliseconds(), SavedMS: x.Saved.Milliseconds(),
		Obstacle: string(x.Obstacle), Client: x.Client,
	}
	a.log.add(x)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sum.Add(line)
	a.spool.Add(line)
}

// totals are those so far.
func (a *account) totals() report.Counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sum.Totals
}

// report is what came of the run so far.
func (a *account) report(run report.Run) *report.Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	return report.New(run, a.sum, a.spool)
}

// refused tells whether a request was refused.
func (a *account) refused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sum.Totals.Refused > 0
}

// forbidden tells that something could not be kept as it is not the user's to.
func (a *account) forbidden() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sum.Forbidden()
}

// learn adds what the sandbox has seen of the command.
func (a *account) learn(closed []uint16, sudo bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sum.Missed(closed)
	a.sum.Powerless(sudo)
}

func (a *account) close() {
	if a != nil {
		a.spool.Close()
		_ = a.log.close() // of a run that has failed: it has said so already
	}
}

// newSpool makes room for exchanges, in a file without a name.
func newSpool() (*report.Spool, error) {
	var f *os.File
	err := inTemp(func(dir string) (err error) {
		if f, err = os.CreateTemp(dir, "cachex-spool-"); err == nil {
			err = os.Remove(f.Name())
		}
		if err != nil {
			err = fmt.Errorf("make room for the report: %w", err)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return report.NewSpool(f), nil
}
