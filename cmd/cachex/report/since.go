package report

import (
	"hash/fnv"
	"iter"
	"slices"
	"time"
)

// Since compares what a run downloaded with what an earlier run of the same
// command did, wherever either got it from.
type Since struct {
	// Started and MS are the earlier run's.
	Started time.Time `json:"started"`
	MS      int64     `json:"ms"`
	// New are URLs that the earlier run did not ask for, Changed those that have
	// other bytes now, and Gone those that nobody asked for any more.
	New     int `json:"new"`
	Changed int `json:"changed"`
	Gone    int `json:"gone"`
	// NewURLs and ChangedURLs are the first of them, at most maxSince of each.
	NewURLs     []string `json:"new_urls,omitempty"`
	ChangedURLs []string `json:"changed_urls,omitempty"`
}

// maxSince bounds what is named.
const maxSince = 20

// Compare goes through the exchanges of both. The error is of reading them.
func Compare(earlier Run, was, is iter.Seq2[Exchange, error]) (*Since, error) {
	s := &Since{Started: earlier.Started, MS: earlier.MS}
	// Digests by URL, both as hashes: of 100,000, some 5 MB. That two have the same
	// 64 bits is as good as impossible, and would only be a wrong number.
	before := map[uint64]uint64{}
	for x, err := range was {
		if err != nil {
			return nil, err
		}
		if x.Downloaded() {
			before[hash(x.Method, x.URL)] = hash(x.SHA256)
		}
	}
	met := map[uint64]bool{}
	for x, err := range is {
		if err != nil {
			return nil, err
		}
		id := hash(x.Method, x.URL)
		if !x.Downloaded() || met[id] {
			continue
		}
		met[id] = true
		old, there := before[id]
		switch {
		case !there:
			s.New++
			s.NewURLs = few(s.NewURLs, x.URL)
		case x.SHA256 != "" && old != hash("") && old != hash(x.SHA256):
			s.Changed++
			s.ChangedURLs = few(s.ChangedURLs, x.URL)
		}
		delete(before, id)
	}
	s.Gone = len(before)
	return s, nil
}

// Downloaded tells whether the command received a document: not an error, and
// not the answer to a request that writes.
func (x Exchange) Downloaded() bool {
	return x.Method == "GET" && x.Status >= 200 && x.Status < 400 && slices.Contains([]string{Hit, Revalidated, Stale, Miss, Pass}, x.Outcome)
}

func few(list []string, s string) []string {
	if len(list) == maxSince {
		return list
	}
	return append(list, s)
}

func hash(words ...string) uint64 {
	h := fnv.New64a()
	for _, w := range words {
		h.Write([]byte(w))
		h.Write([]byte{0})
	}
	return h.Sum64()
}
