package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"cachex/cmd/cachex/report"
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
func (s *session) keepRecord(r *report.Report) error {
	if s.opts.noRecord || s.account.spool == nil || s.account.spool.Err() != nil {
		return nil
	}
	to := s.store
	if to.ReadOnly() {
		var err error
		if to, err = store.Open(s.opts.cache, false); err != nil {
			return nil
		}
		defer to.Close()
		s.makeRoom(to)
	}
	err := to.AddRecord(s.started, commandMark(r.Run)+recordExt, func(w io.Writer) error {
		z := &recordWriter{to: w}
		return errors.Join(report.WriteJSON(z, r), z.Close())
	})
	switch {
	case errors.Is(err, store.ErrReadOnly), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return nil
	case err != nil:
		return fmt.Errorf("keep the record of the run: %w", err)
	}
	return nil
}

// makeRoom removes records that are too old, and one for the one to come: while the
// sandbox is made there is time for it, which takes a disk some milliseconds.
func (s *session) makeRoom(in *store.Store) {
	in.PruneRecords(maxRecords-1, s.started.Add(-maxRecordAge))
}

// commandMark is in the names of the records of one command in one directory.
func commandMark(r report.Run) string {
	h := fnv.New64a()
	for _, word := range append([]string{r.Dir}, r.Command...) {
		io.WriteString(h, word+"\x00")
	}
	return fmt.Sprintf("-%016x", h.Sum64())
}

// compare tells a report of the run before of the same command, if that has left
// a record.
func (s *session) compare(r *report.Report) {
	if s.account.spool == nil || s.opts.noRecord || r.Totals.Requests == 0 {
		return
	}
	names, end := s.store.Records(), commandMark(r.Run)+recordExt
	at := slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, end) })
	if at < 0 {
		return
	}
	was, err := openRecord(s.store, names[at])
	if err != nil {
		return // cachex report --list tells of it
	}
	defer was.Close()
	if was.Totals.Requests == 0 {
		return
	}
	if since, err := report.Compare(was.Run, was.Exchanges, r.Exchanges); err == nil {
		r.Since = since
	}
}

// record is one that is being read. Close it.
type record struct {
	*report.Reader
	name   string
	packed *zstd.Decoder
	file   io.Closer
}

func (r *record) Close() {
	r.packed.Close()
	r.file.Close()
}

// openRecord reads the head of a record.
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
	r := &record{name: name, packed: packed, file: f}
	if r.Reader, err = report.NewReader(packed); err != nil {
		r.Close()
		return nil, r.failed(err)
	}
	return r, nil
}

func (r *record) failed(err error) error { return fmt.Errorf("read the record %s: %w", r.name, err) }

// recorded is the report of a run that has left a record.
func recorded(s *store.Store, name string) (*report.Report, error) {
	r, err := openRecord(s, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	whole := &report.Report{Run: r.Run, Account: report.NewAccount(), Exchanges: exchangesOf(s, name)}
	for x, err := range whole.Exchanges {
		if err != nil {
			return nil, err
		}
		whole.Account.Add(x)
	}
	return whole, nil
}

// exchangesOf goes through a record's exchanges, anew each time.
func exchangesOf(s *store.Store, name string) iter.Seq2[report.Exchange, error] {
	return func(yield func(report.Exchange, error) bool) {
		r, err := openRecord(s, name)
		if err != nil {
			yield(report.Exchange{}, err)
			return
		}
		defer r.Close()
		for x, err := range r.Exchanges {
			if err != nil {
				err = r.failed(err)
			}
			if !yield(x, err) {
				return
			}
		}
	}
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
	used, digests := map[store.Key]bool{}, map[string]bool{}
	for x, err := range exchangesOf(s, name) {
		if err != nil {
			return nil, err
		}
		u, err := url.Parse(x.URL)
		if err != nil {
			continue
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
	}
	return func(k store.Key) bool { return used[k] || digests[path.Base(k.Target)] }, nil
}
