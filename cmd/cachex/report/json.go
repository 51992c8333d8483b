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

// Prepare has encoding/json look at the types of a report: the first WriteJSON takes
// 0.3 ms less then.
func Prepare() { _, _ = json.Marshal(Run{}) }

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

// Exchanges goes through what is left, once. Without its end a report is cut.
func (r *Reader) Exchanges(yield func(Exchange, error) bool) { readLines(r.lines, "]}", yield) }

// readLines goes through lines of which those that begin with a brace are exchanges,
// with a comma or without, up to one that is end; with end "" up to the last.
func readLines(lines *bufio.Reader, end string, yield func(Exchange, error) bool) {
	for {
		line, err := lines.ReadBytes('\n')
		line = bytes.TrimSuffix(bytes.TrimSpace(line), []byte(","))
		var x Exchange
		switch {
		case bytes.HasPrefix(line, []byte("{")):
			if broken := json.Unmarshal(line, &x); broken != nil {
				yield(Exchange{}, broken)
				return
			}
			if !yield(x, nil) {
				return
			}
		case end != "" && string(line) == end:
			return
		}
		switch {
		case errors.Is(err, io.EOF) && end == "":
			return
		case errors.Is(err, io.EOF):
			yield(Exchange{}, io.ErrUnexpectedEOF)
			return
		case err != nil:
			yield(Exchange{}, err)
			return
		}
	}
}
