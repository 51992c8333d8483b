package store

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// partsDir holds what was kept of documents of which only ranges were asked
// for: a file with holes, and which ranges are there.
const (
	partsDir = private + "/parts"
	dataExt  = "%.part"
)

// errStale tells that the parts on the disk are those of another state of the
// document by now.
var errStale = errors.New("the document has changed meanwhile")

// PartsMeta describes the parts of one state of a document.
type PartsMeta struct {
	Meta // of the answer; Status is that of a whole one
	// Total is the length of the document, in bytes.
	Total int64 `json:"total"`
	// Validator is the strong validator that all parts came with; "" when there
	// was none, and then there is one part alone (RFC 9111 section 3.4).
	Validator string `json:"validator,omitempty"`
	// Ranges are the parts that are there, in order, apart from one another.
	Ranges []Span `json:"ranges"`
	// Generation names the file that the ranges are in, and no later one: set by
	// CreatePart.
	Generation string `json:"generation"`
}

// Span is a range of bytes: From and the offset after its last byte.
type Span struct{ From, To int64 }

// Covers tells whether all bytes of a span are there.
func (m *PartsMeta) Covers(want Span) bool {
	return slices.ContainsFunc(m.Ranges, func(s Span) bool { return s.From <= want.From && want.To <= s.To })
}

// Parts are kept ranges of a document. Close it.
type Parts struct {
	PartsMeta
	File *os.File
}

// Close releases the file. A nil Parts may be closed.
func (p *Parts) Close() {
	if p != nil {
		p.File.Close()
	}
}

func partsName(k Key, variant string) string { return partsDir + "/" + k.Name(variant) }

// Parts opens what is kept of a document in parts. Its error is a *MissError.
func (s *Store) Parts(k Key, variant string) (*Parts, error) {
	p, err := s.parts(k, variant)
	for _, l := range s.lower {
		if err == nil {
			break
		}
		if below, e := l.parts(k, variant); e == nil {
			p, err = below, nil
		}
	}
	return p, err
}

// parts is Parts in the store's own directory alone.
func (s *Store) parts(k Key, variant string) (*Parts, error) {
	m, err := s.readParts(k, variant)
	if err != nil {
		return nil, &MissError{Reason: "not in the cache"}
	}
	f, err := s.root.Open(partsName(k, variant) + dataExt)
	if err != nil {
		return nil, &MissError{Reason: "not in the cache"}
	}
	p := &Parts{PartsMeta: *m, File: f}
	// Who begins another state removes the description before the file: as it is
	// still there, the file was its own.
	if now, err := s.readParts(k, variant); err != nil || now.Generation != m.Generation {
		p.Close()
		return nil, &MissError{Reason: "not in the cache"}
	}
	fi, err := f.Stat()
	for _, r := range m.Ranges {
		if err != nil || !fi.Mode().IsRegular() || r.To > fi.Size() || r.From < 0 || r.From >= r.To || r.To > m.Total {
			p.Close()
			return nil, &MissError{Reason: "its parts are damaged"}
		}
	}
	return p, nil
}

func (s *Store) readParts(k Key, variant string) (*PartsMeta, error) {
	f, err := s.open(partsName(k, variant) + metaExt)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	var m PartsMeta
	if err := json.Unmarshal(b, &m); err != nil || m.URL != k.URL("https") && m.URL != k.URL("http") {
		return nil, errDamaged
	}
	return &m, nil
}

// DropParts forgets the parts of a document.
func (s *Store) DropParts(k Key, variant string) {
	if s.readOnly {
		return
	}
	if _, err := s.lstat(partsName(k, variant) + metaExt); errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := s.root.Remove(partsName(k, variant) + metaExt); err == nil {
		s.root.Remove(partsName(k, variant) + dataExt)
	}
}

// PartWriter takes one range that is still arriving. End it with Commit, which
// keeps what has arrived, and Close it.
type PartWriter struct {
	store   *Store
	key     Key
	variant string
	meta    PartsMeta
	file    *os.File
	from    int64
	at      int64
}

// CreatePart begins a range at an offset. m says which state of the document
// it is of; its Ranges are ignored.
func (s *Store) CreatePart(k Key, variant string, m PartsMeta, from int64) (*PartWriter, error) {
	if s.readOnly {
		return nil, ErrReadOnly
	}
	w := &PartWriter{store: s, key: k, variant: variant, meta: m, from: from, at: from}
	err := s.withParts(k, variant, func(was *PartsMeta) (*PartsMeta, error) {
		if was != nil && was.same(&m) {
			var err error
			w.file, err = s.root.OpenFile(partsName(k, variant)+dataExt, os.O_RDWR, 0)
			if err == nil {
				return nil, nil
			}
		}
		temp := tempDir + "/" + randomName()
		var err error
		if w.file, err = s.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644); err != nil {
			return nil, err
		}
		err = s.root.Remove(partsName(k, variant) + metaExt)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = s.renameInto(temp, partsName(k, variant)+dataExt)
		}
		if err != nil {
			s.root.Remove(temp)
			return nil, err
		}
		m.Ranges, m.Generation = s.copyParts(k, variant, &m, w.file), randomName()
		return &m, nil
	})
	if err != nil {
		if w.file != nil {
			w.file.Close()
		}
		return nil, err
	}
	return w, nil
}

// same tells whether two descriptions are of one state of a document.
func (m *PartsMeta) same(other *PartsMeta) bool {
	return m.Validator != "" && m.Validator == other.Validator && m.Total == other.Total && m.URL == other.URL
}

// withParts reads the description of a document's parts (nil for none) and
// writes what change returns, if anything, while no other process does.
func (s *Store) withParts(k Key, variant string, change func(*PartsMeta) (*PartsMeta, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	lock, _, err := s.waitLock(ctx, lockName(k, variant+" parts"), waiting{})
	if err != nil {
		return err
	}
	defer lock.Unlock()
	was, err := s.readParts(k, variant)
	if err != nil {
		was = nil
	}
	now, err := change(was)
	if now == nil || err != nil {
		return err
	}
	b, err := json.Marshal(now)
	if err != nil {
		return err
	}
	temp := tempDir + "/" + randomName()
	if err = s.root.WriteFile(temp, b, 0o644); err == nil {
		err = s.renameInto(temp, partsName(k, variant)+metaExt)
	}
	if err != nil {
		s.root.Remove(temp)
	}
	return err
}

// Write adds to the range.
func (w *PartWriter) Write(b []byte) (int, error) {
	n, err := w.file.WriteAt(b, w.at)
	w.at += int64(n)
	return n, err
}

// Commit keeps what has been written, be it the whole range or its beginning,
// and reports whether the document has all its parts now.
func (w *PartWriter) Commit() (complete bool, err error) {
	if w.at == w.from {
		return false, nil
	}
	s := w.store
	err = s.withParts(w.key, w.variant, func(now *PartsMeta) (*PartsMeta, error) {
		mine, err1 := w.file.Stat()
		named, err2 := s.root.Lstat(partsName(w.key, w.variant) + dataExt)
		if now == nil || err1 != nil || err2 != nil || !os.SameFile(mine, named) {
			return nil, errStale
		}
		now.Ranges = merge(append(now.Ranges, Span{w.from, w.at}))
		now.Meta = w.meta.Meta
		complete = now.Covers(Span{0, now.Total})
		return now, nil
	})
	return complete, err
}

// Close releases the file.
func (w *PartWriter) Close() { w.file.Close() }

// merge orders spans and joins those that touch.
func merge(spans []Span) []Span {
	slices.SortFunc(spans, func(a, b Span) int {
		if a.From != b.From {
			return int(min(max(a.From-b.From, -1), 1))
		}
		return int(min(max(a.To-b.To, -1), 1))
	})
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

// Join makes the document of its parts, if all are there: the caller holds the
// document's Lock. check gets all bytes and may refuse them.
func (s *Store) Join(k Key, variant string, check io.Writer, verdict func() error) error {
	p, err := s.Parts(k, variant)
	if err != nil {
		return err
	}
	defer p.Close()
	if !p.Covers(Span{0, p.Total}) {
		return errStale
	}
	w, err := s.Create()
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(io.MultiWriter(w, check), io.NewSectionReader(p.File, 0, p.Total)); err != nil {
		return err
	}
	if err := verdict(); err != nil {
		s.DropParts(k, variant)
		return err
	}
	m := p.Meta
	m.FetchMS = max(m.FetchMS, time.Since(m.Requested).Milliseconds())
	if err := w.Commit(k, variant, &m); err != nil {
		return err
	}
	s.DropParts(k, variant)
	return nil
}
