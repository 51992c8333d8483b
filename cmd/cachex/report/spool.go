package report

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// Spool holds exchanges on disk until the report is written, so that a run of
// 100,000 requests needs no more memory than one of ten. It is not safe for
// concurrent use.
type Spool struct {
	file  *os.File
	w     *bufio.Writer
	line  []byte // its memory is used again
	lines int
	err   error // the first: what is there is not whole
}

// NewSpool keeps exchanges in a file that has no name any more: a killed run
// leaves nothing. Close closes it.
func NewSpool(f *os.File) *Spool { return &Spool{file: f, w: bufio.NewWriterSize(f, 64<<10)} }

// Add keeps an exchange. An error is told by whoever reads.
func (s *Spool) Add(x Exchange) {
	if s == nil || s.err != nil {
		return
	}
	s.line = s.line[:0]
	if s.lines > 0 {
		s.line = append(s.line, ",\n"...)
	}
	s.line = x.appendLine(s.line)
	_, s.err = s.w.Write(s.line)
	s.lines++
}

// Err is why the spool is not whole, nil when it is.
func (s *Spool) Err() error {
	if s.err != nil {
		return fmt.Errorf("keep the report's exchanges: %w", s.err)
	}
	return nil
}

// Close gives the file up.
func (s *Spool) Close() {
	if s != nil {
		s.file.Close()
	}
}

// rewind makes all that was added readable from the beginning.
func (s *Spool) rewind() error {
	if s.err == nil {
		s.err = s.w.Flush()
	}
	if err := s.Err(); err != nil {
		return err
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return err
}

// copyTo writes all lines, separated by commas.
func (s *Spool) copyTo(w io.Writer) error {
	if err := s.rewind(); err != nil {
		return err
	}
	_, err := io.Copy(w, s.file)
	return err
}

// Exchanges goes through all that was added. Nothing may be added any more.
func (s *Spool) Exchanges(yield func(Exchange, error) bool) {
	if err := s.rewind(); err != nil {
		yield(Exchange{}, err)
		return
	}
	readLines(bufio.NewReaderSize(s.file, 64<<10), "", yield)
}

// New is the report of a run whose exchanges are in a spool; nil has none.
func New(run Run, a *Account, s *Spool) *Report {
	run.Schema, run.Totals, run.Hosts, run.Hints = Schema, a.Totals, a.Hosts(), a.Hints
	r := &Report{Run: run, Account: a, spool: s}
	r.Exchanges = func(func(Exchange, error) bool) {}
	if s != nil {
		r.Exchanges = s.Exchanges
	}
	return r
}
