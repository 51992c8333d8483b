package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// spool holds lines on disk until the report is written, so that a run of
// 100,000 requests needs no more memory than one of ten. The file has no name:
// a killed run leaves nothing.
type spool struct {
	file  *os.File
	w     *bufio.Writer
	lines int
}

func newSpool() (*spool, error) {
	var f *os.File
	err := inTemp(func(dir string) (err error) {
		if f, err = os.CreateTemp(dir, "cachex-spool-"); err != nil {
			return fmt.Errorf("make room for the report: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("make room for the report: %w", err)
	}
	return &spool{file: f, w: bufio.NewWriterSize(f, 64<<10)}, nil
}

func (s *spool) add(line []byte) error {
	if s.lines > 0 {
		s.w.WriteString(",\n")
	}
	s.lines++
	_, err := s.w.Write(line)
	return err
}

// copyTo writes all lines, separated by commas.
func (s *spool) copyTo(w io.Writer) error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(w, s.file)
	return err
}

func (s *spool) close() {
	if s != nil {
		s.file.Close()
	}
}
