package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
)

// list is a field that a document's head has empty, and its elements: each is
// marshalled and written on its own, so that no document is in memory as a whole.
type list struct {
	field    string
	elements iter.Seq2[any, error]
}

// writeDocument writes the head as JSON, with the lists, in the order in which the
// head has them. A field's name with an empty list behind it cannot be in a string:
// its quotes would be escaped.
func writeDocument(w io.Writer, head any, lists ...list) error {
	rest, err := marshal(head)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, 64<<10)
	for _, l := range lists {
		before, after, ok := bytes.Cut(rest, []byte(`"`+l.field+`":[]`))
		if !ok {
			return fmt.Errorf("write the report: it has no empty list %q", l.field)
		}
		fmt.Fprintf(b, "%s%q:[", before, l.field)
		separator := "\n"
		for v, err := range l.elements {
			if err != nil {
				return err
			}
			line, err := marshal(v)
			if err != nil {
				return err
			}
			b.WriteString(separator)
			if _, err := b.Write(line); err != nil {
				return err
			}
			separator = ",\n"
		}
		b.WriteString("\n]")
		rest = after
	}
	b.Write(rest)
	b.WriteString("\n")
	return b.Flush()
}

// marshal is json.Marshal, but that & and <> in URLs stay readable.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// each makes elements of parts.
func each(parts []part, element func(part) any) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for _, p := range parts {
			if !yield(element(p), nil) {
				return
			}
		}
	}
}
