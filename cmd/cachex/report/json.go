package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// WriteJSON writes the JSON report. Its first line is the head, and each further
// line has one exchange.
func WriteJSON(w io.Writer, r *Report) error {
	head, err := json.Marshal(r.Run)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s,\n\"exchanges\":[\n", head[:len(head)-1]); err != nil {
		return err
	}
	if r.spool != nil {
		err = r.spool.copyTo(w)
	} else {
		err = writeLines(w, r)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}

func writeLines(w io.Writer, r *Report) error {
	separator := ""
	for x, err := range r.Exchanges {
		if err != nil {
			return err
		}
		line, err := json.Marshal(x)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator, line); err != nil {
			return err
		}
		separator = ",\n"
	}
	return nil
}

// Reader reads a report that WriteJSON has written, a line at a time.
type Reader struct {
	// Run is the head.
	Run
	lines *bufio.Reader // after the head
}

// NewReader reads the head. What is of a newer schema, or no report, is an error.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{lines: bufio.NewReaderSize(in, 64<<10)}
	head, err := r.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(append(bytes.TrimSuffix(bytes.TrimSpace(head), []byte(",")), '}'), &r.Run)
	}
	if err == nil && r.Schema != Schema {
		err = fmt.Errorf("it is of schema %d", r.Schema)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Exchanges goes through what is left, once.
func (r *Reader) Exchanges(yield func(Exchange, error) bool) {
	for ended := false; ; {
		line, err := r.lines.ReadBytes('\n')
		line = bytes.TrimSuffix(bytes.TrimSpace(line), []byte(","))
		ended = ended || bytes.Equal(line, []byte("]}"))
		if bytes.HasPrefix(line, []byte("{")) {
			var x Exchange
			if err := json.Unmarshal(line, &x); err != nil {
				yield(Exchange{}, err)
				return
			}
			if !yield(x, nil) {
				return
			}
		}
		if errors.Is(err, io.EOF) && !ended {
			err = io.ErrUnexpectedEOF
		}
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			yield(Exchange{}, err)
			return
		}
	}
}
