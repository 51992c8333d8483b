//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// results is what a run has found. It is the JSON that -json writes.
type results struct {
	Began   time.Time `json:"began"`
	Machine machine   `json:"machine"`
	// Missing are contenders that are not here, each with the reason.
	Missing []string `json:"missing,omitempty"`
	Rounds  int      `json:"rounds"`
	// Seconds is how long a load without an end of its own lasts.
	Seconds float64     `json:"seconds"`
	Figures []figure    `json:"figures"`
	Soak    *soakResult `json:"soak,omitempty"`
}

// figure is all samples of one load and contender.
type figure struct {
	Load      string   `json:"load"`
	Unit      string   `json:"unit"`
	Contender string   `json:"contender"`
	Samples   []sample `json:"samples"`
	// Began is set when another run has measured it.
	Began *time.Time `json:"began,omitempty"`
	// Failed is why there are no samples, or no more.
	Failed string `json:"failed,omitempty"`
}

func (r *results) encode() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", " ")
	return append(b, '\n'), err
}

// merge takes from a file of encode's what this run has not measured. A run that has
// measured nothing becomes that of the file.
func (r *results) merge(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var other results
	if err := json.Unmarshal(b, &other); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(r.Figures) == 0 {
		other.Soak = cmp.Or(r.Soak, other.Soak)
		*r = other
		return nil
	}
	for _, f := range other.Figures {
		if r.figure(f.Load, f.Contender) == nil {
			f.Began = cmp.Or(f.Began, &other.Began)
			r.Figures = append(r.Figures, f)
		}
	}
	if r.Soak == nil {
		r.Soak = other.Soak
	}
	return nil
}

// figure finds one; nil is one that was not measured.
func (r *results) figure(load, contender string) *figure {
	for i := range r.Figures {
		if f := &r.Figures[i]; f.Load == load && f.Contender == contender {
			return f
		}
	}
	return nil
}

// measure puts each load on each contender, round after round. The first of the
// contenders is another one in each round.
func (r *results) measure(s *stage, loads []load, contenders []contender, rounds int) {
	for _, l := range loads {
		for _, c := range contenders {
			r.Figures = append(r.Figures, figure{Load: l.name, Unit: l.unit, Contender: c.name(), Failed: l.lacks[c.name()]})
		}
	}
	for round := range rounds {
		for _, l := range loads {
			for i := range contenders {
				c := contenders[(i+round)%len(contenders)]
				f := r.figure(l.name, c.name())
				if f.Failed != "" {
					continue
				}
				m, err := l.measure(s, c)
				if err != nil {
					f.Failed = err.Error()
					if err := c.restart(); err != nil {
						log.Printf("restart %s: %v", c.name(), err)
					}
				} else {
					f.Samples = append(f.Samples, m)
				}
				log.Printf("round %d of %d: %s: %s: %s", round+1, rounds, l.name, c.name(), f.last())
			}
		}
	}
}

// reason is why there is no figure, in a line that fits beside others.
func (f *figure) reason() string {
	if f == nil {
		return "not measured"
	}
	line, _, _ := strings.Cut(f.Failed, "\n")
	return line[:min(len(line), 60)]
}

// last is the newest sample in words.
func (f *figure) last() string {
	if f.Failed != "" {
		return f.Failed
	}
	m := f.Samples[len(f.Samples)-1]
	return fmt.Sprintf("%s %s, cpu %s µs a request, client %s, peak %.0f MiB", number(m.Value), f.Unit, number(m.cost()), number(m.clientCost()), m.Peak)
}

// cost is the contender's processor time for a request, in microseconds; 0 is not
// known.
func (m sample) cost() float64 { return ratio(m.CPU*1e6, float64(m.Requests)) }

func (m sample) clientCost() float64 { return ratio(m.ClientCPU*1e6, float64(m.Requests)) }

// median is that of one number of each sample, and 0 without samples.
func (f *figure) median(of func(sample) float64) float64 {
	if f == nil {
		return 0
	}
	return median(f.each(of))
}

func (f *figure) each(of func(sample) float64) []float64 {
	var v []float64
	for _, m := range f.Samples {
		v = append(v, of(m))
	}
	return v
}

func value(m sample) float64 { return m.Value }

// median is the middle one, or the mean of the two in the middle, and 0 of none.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n == 0 {
		return 0
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

// spread is half of the way from the least to the most, as a part of the median.
func spread(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return ratio((slices.Max(v)-slices.Min(v))/2, math.Abs(median(v)))
}

// ratio is 0 where there is none.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// verdict is how a figure of cachex's stands to a bar.
type verdict struct {
	bar
	// value is the ratio, the difference or the figure; passed says whether it is good
	// enough. Nothing is known of it if it is not known.
	value         float64
	known, passed bool
}

// judge compares medians of one run with a load's bars.
func (r *results) judge(l load) []verdict {
	var all []verdict
	for _, b := range l.bars {
		ours := r.figure(l.name, cachexName)
		v := verdict{bar: b, value: ours.median(value), known: ours != nil && len(ours.Samples) > 0}
		if b.of != "" || b.load != "" {
			other := r.figure(l.name, b.of)
			if b.load != "" {
				other = r.figure(b.load, cachexName)
			}
			v.known = v.known && other != nil && len(other.Samples) > 0
			if theirs := other.median(value); b.added {
				v.value -= theirs
			} else {
				v.value = ratio(v.value, theirs)
			}
		}
		v.passed = v.known && (b.most == 0 || v.value <= b.most) && v.value >= b.least
		all = append(all, v)
	}
	return all
}

// machine is where a run was.
type machine struct {
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	// Memory is in MiB.
	Memory float64 `json:"memory_mib"`
	// FileSystem is that of the caches and the origin's files.
	FileSystem string            `json:"file_system"`
	Versions   map[string]string `json:"versions"`
	// LoadBefore and LoadAfter are the load averages: what else the machine did.
	LoadBefore string `json:"load_before"`
	LoadAfter  string `json:"load_after"`
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err.Error()
	}
	var one, five, fifteen string
	fmt.Sscan(string(b), &one, &five, &fifteen) // what is not there is empty
	return one + " " + five + " " + fifteen
}
