//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"
)

// soakResult is what a long mixed load took.
type soakResult struct {
	Began    time.Time `json:"began"`
	Minutes  float64   `json:"minutes"`
	Requests int64     `json:"requests"`
	// MiB is cachex's memory, second by second.
	MiB []float64 `json:"mib"`
	// Slope is by how much it grew, in MiB an hour, after the first quarter.
	Slope float64 `json:"slope_mib_per_hour"`
	CPU   float64 `json:"cpu_seconds"`
}

// soak has one cachex run serve a mixed load for long, at a pace that leaves the
// machine half idle, and looks at its memory each second.
func (s *stage) soak(d time.Duration) (*soakResult, error) {
	var paths []string
	for range 12 {
		paths = append(paths, poolPath)
	}
	paths = append(paths, "/files/1m-1.0.0.tgz", "/index/4k.json", file1k, "{fresh}/files/4k-1.0.{n}.tgz")
	t := s.freshen(task{Paths: paths, Files: many, Conns: 32, Seconds: d.Seconds(), Pace: 300, AnewEvery: 20, Gate: true})
	c := &ours{s.cachex, s.dir + "/soak"}
	r, err := start(c.command(s, t), t)
	if err != nil {
		return nil, err
	}
	if l, err := r.line(); err != nil || l != "ready" {
		return nil, errors.Join(err, fmt.Errorf("the client says %q", l))
	}
	before := usageOf(c.processes(r.cmd))
	fmt.Fprintln(r.in, "go")
	type said struct {
		line string
		err  error
	}
	done := make(chan said, 1)
	go func() {
		l, err := r.line()
		done <- said{l, err}
	}()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	result := &soakResult{Began: time.Now().UTC().Truncate(time.Second), MiB: []float64{before.rss}}
	for {
		select {
		case <-second.C:
			result.MiB = append(result.MiB, usageOf(c.processes(r.cmd)).rss)
			if n := len(result.MiB); n%60 == 0 {
				log.Printf("soak: minute %d: %.1f MiB", n/60, result.MiB[n-1])
			}
		case end := <-done:
			if end.err != nil {
				return nil, end.err
			}
			result.CPU = (usageOf(c.processes(r.cmd)).cpu - before.cpu).Seconds()
			var a answer
			if err := r.wait(json.Unmarshal([]byte(end.line), &a)); err != nil {
				return nil, err
			}
			if a.Failed != "" {
				return nil, errors.New(a.Failed)
			}
			result.Minutes, result.Requests = a.Seconds/60, a.Requests
			result.Slope = hourly(result.MiB)
			return result, nil
		}
	}
}

// hourly is the slope of what was taken each second, after the first quarter.
func hourly(seconds []float64) float64 {
	late := seconds[len(seconds)/4:]
	hours := make([]float64, len(late))
	for i := range late {
		hours[i] = float64(i) / 3600
	}
	return slope(hours, late)
}

// slope is that of the line with the least squares, 0 of fewer than two points.
func slope(x, y []float64) float64 {
	n := float64(len(x))
	if n < 2 {
		return 0
	}
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	return ratio(n*sxy-sx*sy, n*sxx-sx*sx)
}

// words tell of a soak.
func (r *soakResult) words() string {
	quarter := len(r.MiB) / 4
	return fmt.Sprintf("Begun %s: %.0f minutes of a mixed load (hits of 4 KiB and 1 MiB, revalidations, misses, new connections), %d requests: "+
		"%.1f MiB in the second quarter at the median, %.1f in the last; at most %.1f; %+.1f MiB an hour after the first quarter; %.0f s of processor time.\n",
		r.Began.Format(minute), r.Minutes, r.Requests, median(r.MiB[quarter:2*quarter]), median(r.MiB[3*quarter:]), slices.Max(r.MiB), r.Slope, r.CPU)
}
