package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"cachex/proxy"
	"cachex/proxy/store"
)

// Records: every run leaves its JSON report below .cachex/runs, compressed, for
// "cachex report" and "cachex cache export --run".

const (
	recordExt = ".json.zst"
	// maxRecords and maxRecordAge bound them. Compressed, 5,000 requests took 189
	// kB: a hundred runs of 20,000 each take some 80 MB.
	maxRecords   = 100
	maxRecordAge = 90 * 24 * time.Hour
)

// keepRecord leaves a run's report in the cache directory, if that may be written
// to: an offline run may have been given one that can only be read.
func (s *session) keepRecord(sum summary) error {
	if s.opts.noRecord || s.account.spool == nil || s.account.spoolErr != nil {
		return nil
	}
	to := s.store
	if to.ReadOnly() {
		var err error
		if to, err = store.Open(s.opts.cache, false); err != nil {
			return nil
		}
		defer to.Close()
	}
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	sum.Totals, sum.Hosts, sum.Hints = s.account.totals, s.account.byHost(), s.account.hints
	err := to.AddRecord(s.started, recordExt, func(w io.Writer) error {
		return compress(w, func(w io.Writer) error { return writeJSON(w, sum, s.account.spool) })
	})
	switch {
	case errors.Is(err, store.ErrReadOnly), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return nil
	case err != nil:
		return fmt.Errorf("keep the record of the run: %w", err)
	}
	to.PruneRecords(maxRecords, s.started.Add(-maxRecordAge))
	return nil
}

// record is one that is being read. Close it.
type record struct {
	summary
	lines  *bufio.Reader // after the head
	packed *zstd.Decoder
	file   io.Closer
}

func (r *record) Close() {
	r.packed.Close()
	r.file.Close()
}

// openRecord reads the head of a record: its first line, which writeJSON writes.
func openRecord(s *store.Store, name string) (*record, error) {
	f, err := s.OpenRecord(name)
	if err != nil {
		return nil, err
	}
	packed, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Close()
		return nil, err
	}
	r := &record{lines: bufio.NewReaderSize(packed, 64<<10), packed: packed, file: f}
	head, err := r.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(append(bytes.TrimSuffix(bytes.TrimSpace(head), []byte(",")), '}'), &r.summary)
	}
	if err == nil && r.Schema != reportSchema {
		err = fmt.Errorf("it is of schema %d", r.Schema)
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("read the record %s: %w", name, err)
	}
	return r, nil
}

// each visits the exchanges.
func (r *record) each(visit func(exchangeLine)) error {
	for {
		line, err := r.lines.ReadBytes('\n')
		line = bytes.TrimSuffix(bytes.TrimSpace(line), []byte(","))
		if bytes.HasPrefix(line, []byte("{")) {
			var x exchangeLine
			if err := json.Unmarshal(line, &x); err != nil {
				return fmt.Errorf("read the record: %w", err)
			}
			visit(x)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the record: %w", err)
		}
	}
}

// account is what the text report is made of.
func (r *record) account() (*account, error) {
	a := newAccount(r.Started, nil)
	a.totals, a.hints = r.Totals, r.Hints
	err := r.each(func(x exchangeLine) {
		ex := proxy.Exchange{Method: x.Method, URL: x.URL, Outcome: proxy.Outcome(x.Outcome), Reason: x.Reason, Expected: x.Expected}
		switch ex.Outcome {
		case proxy.Refused, proxy.Error, proxy.Stale, proxy.Tunnel:
			a.addIncident(ex)
		case proxy.Pass:
			a.passed[x.Reason]++
		}
		switch {
		case ex.Outcome != proxy.Refused:
		case strings.HasPrefix(x.Reason, "denied"):
			a.denied++
		case strings.HasPrefix(x.Reason, "frozen"):
			a.frozen.add(x.Expected != "", 0)
		}
	})
	return a, err
}

// findRecord gives the name of the record that a word means: its number, the last
// being 1, the beginning of its time, or words of its command. "" is the last.
func findRecord(s *store.Store, word string) (string, error) {
	names := s.Records()
	if len(names) == 0 {
		return "", &exitError{fmt.Errorf("no run has left a record in %s", s.Dir()), exitFailure, "runs leave them, but for those with --no-record"}
	}
	if word == "" {
		return names[0], nil
	}
	if n, err := strconv.Atoi(word); err == nil && n > 0 && n < 1900 {
		if n > len(names) {
			return "", &exitError{fmt.Errorf("there are records of %d runs, and none with number %d", len(names), n), exitFailure, "cachex report --list shows them"}
		}
		return names[n-1], nil
	}
	at := slices.IndexFunc(names, func(name string) bool {
		r, err := openRecord(s, name)
		if err != nil {
			return false // it is of no use
		}
		defer r.Close()
		began := r.Started.Local()
		return strings.HasPrefix(began.Format(time.DateTime), word) || strings.HasPrefix(began.Format("2006-01-02T15:04:05"), word) ||
			strings.HasPrefix(r.Started.Format(time.RFC3339), word) || strings.Contains(strings.Join(r.Command, " "), word)
	})
	if at < 0 {
		return "", &exitError{fmt.Errorf("no run is %q", word), exitFailure, "cachex report --list shows them: by number, time or words of the command"}
	}
	return names[at], nil
}

// usedBy tells of documents and repositories what a run has got from them. What
// Git LFS keeps by its digest is known by that: its URLs are links.
func usedBy(s *store.Store, run string) (func(store.Key) bool, error) {
	name, err := findRecord(s, run)
	if err != nil {
		return nil, err
	}
	r, err := openRecord(s, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	used, digests := map[store.Key]bool{}, map[string]bool{}
	err = r.each(func(x exchangeLine) {
		u, err := url.Parse(x.URL)
		if err != nil {
			return
		}
		k := store.KeyOf(u)
		used[k] = true
		for _, end := range []string{"/info/refs", "/git-upload-pack"} {
			if repository, ok := strings.CutSuffix(u.EscapedPath(), end); ok {
				used[store.Key{Host: k.Host, Target: repository}] = true
			}
		}
		if x.SHA256 != "" {
			digests[x.SHA256] = true
		}
	})
	return func(k store.Key) bool { return used[k] || digests[path.Base(k.Target)] }, err
}
