//go:build linux

package main

import (
	"strings"
)

// Paths of the origin. {i} and {n} are the client's to fill in (see task), and {fresh}
// is a folder that nobody has asked for before.
const (
	// poolPath is that of the many small files: each in a folder of its own, as
	// registries of packages have them.
	poolPath = "/pool/pkg-{i}/-/pkg-{i}-1.0.0.tgz"
	file1k   = "/files/1k-1.0.0.tgz"
	file1g   = "/files/1g-1.0.0.tgz"
)

// load is something that is measured.
type load struct {
	name, unit string
	// lacks says, by contender, why one does not take part. What can be tried is tried
	// instead, and its failure told.
	lacks map[string]string
	// less is better.
	less bool
	// drawn loads are in the picture: those that have a limit, and of which more is
	// better.
	drawn   bool
	measure func(*stage, contender) (sample, error)
	bars    []bar
}

// bar is what a figure of cachex's should be.
type bar struct {
	// of is the contender, in the same load, that the figure is divided by; load is
	// another load, whose figure of cachex's it is divided by. With neither the figure
	// stands for itself.
	of, load string
	// added subtracts instead.
	added bool
	// least and most are the bar; one of them is 0.
	least, most float64
}

// allLoads is the list, in the order of the table. A new load is a new entry here.
func allLoads(o *options) []load {
	seconds := o.seconds
	hit := func(path string, conns int) task {
		return task{Paths: []string{path}, Conns: conns, Seconds: seconds, Warm: true}
	}
	pool := hit(poolPath, 32)
	pool.Files = many
	anew, resumed, streams := hit(file1k, 8), hit(file1k, 8), hit(file1k, 100)
	anew.AnewEvery, resumed.AnewEvery, resumed.Resume, streams.H2 = 1, 1, true, true
	large, largeH2 := hit(file1g, 1), hit(file1g, 1)
	large.Requests, largeH2.Requests, largeH2.H2 = 1, 1, true
	poolMiss := task{Paths: []string{"{fresh}" + poolPath}, Files: many, Requests: many, Conns: 32}
	return append([]load{
		{name: "hit 1 KiB", unit: "1/s", drawn: true, measure: perSecond(hit(file1k, 32)),
			bars: []bar{{of: limitName, least: 0.90}, {of: squidName, least: 1.3}, {of: mitmproxyName, least: 25}}},
		{name: "hit 16 KiB", unit: "1/s", measure: perSecond(hit("/files/16k-1.0.0.tgz", 32))},
		{name: "hit 1 MiB", unit: "MB/s", drawn: true, measure: megabytes(hit("/files/1m-1.0.0.tgz", 32))},
		{name: "hit, 2,000 files of 4 KiB", unit: "1/s", drawn: true, measure: perSecond(pool),
			bars: []bar{{of: limitName, least: 0.80}, {of: squidName, least: 1.3}}},
		{name: "new connection each time", unit: "1/s", drawn: true, measure: perSecond(anew),
			bars: []bar{{of: limitName, least: 1.2}, {of: squidName, least: 1.2}, {of: mitmproxyName, least: 10}}},
		{name: "new connection, session resumed", unit: "1/s", measure: perSecond(resumed)},
		{name: "h2, 100 streams of 1 KiB", unit: "1/s", drawn: true, measure: perSecond(streams)},
		{name: "one file of 1 GiB", unit: "MB/s", drawn: true, measure: megabytes(large),
			bars: []bar{{of: limitName, least: 0.95}, {of: squidName, least: 3}}},
		{name: "one file of 1 GiB, h2", unit: "MB/s", measure: megabytes(largeH2),
			bars: []bar{{load: "one file of 1 GiB", least: 0.8}}},
		{name: "miss, time to first byte", unit: "ms", less: true,
			measure: firstByte(task{Paths: []string{"{fresh}/files/4k-1.0.{n}.tgz"}, Conns: 1, Seconds: seconds}),
			bars:    []bar{{of: limitName, added: true, most: 1}}},
		{name: "miss, 2,000 files of 4 KiB", unit: "1/s", measure: perSecond(poolMiss)},
		{name: "miss, 16 MiB", unit: "MB/s", drawn: true, measure: megabytes(task{Paths: []string{"{fresh}/files/16m-1.0.{n}.tgz"}, Conns: 4, Requests: 32}),
			bars: []bar{{of: limitName, least: 0.85}}},
		{name: "revalidation of 4 KiB", unit: "1/s", measure: perSecond(hit("/index/4k.json", 32)),
			lacks: map[string]string{mitmproxyName: "the script does not revalidate"}},
	}, otherLoads(o)...)
}

// perSecond measures a task by how many requests are answered in a second.
func perSecond(t task) func(*stage, contender) (sample, error) {
	return measured(t, func(m sample) float64 { return float64(m.Requests) / m.Seconds })
}

// megabytes measures a task by the bytes of bodies in a second.
func megabytes(t task) func(*stage, contender) (sample, error) {
	return measured(t, func(m sample) float64 { return float64(m.Bytes) / m.Seconds / 1e6 })
}

// firstByte measures a task by the median wait for an answer's first byte.
func firstByte(t task) func(*stage, contender) (sample, error) {
	return measured(t, func(m sample) float64 { return m.FirstByte })
}

func measured(t task, value func(sample) float64) func(*stage, contender) (sample, error) {
	return func(s *stage, c contender) (sample, error) {
		m, err := s.drive(c, s.freshen(t))
		if err == nil {
			m.Value = value(m)
		}
		return m, err
	}
}

// freshen gives a task a folder of its own.
func (s *stage) freshen(t task) task {
	folder := "/fresh/" + s.nonce()
	paths := make([]string, len(t.Paths))
	for i, p := range t.Paths {
		paths[i] = strings.Replace(p, "{fresh}", folder, 1)
	}
	t.Paths = paths
	return t
}
