package mirror

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
)

// Question is what the body of a request to git-upload-pack asks.
type Question struct {
	// Version of the protocol: 0, 1 or 2.
	Version int
	// Command is "fetch", "ls-refs", another of protocol 2's, or "" for a body
	// that asks nothing.
	Command string
	// Wants are the first objects that a fetch asks for, and WantRefs the first
	// refs.
	Wants, WantRefs []string
	// Moves is set for a fetch whose answer depends on where refs are.
	Moves bool
	// What an ls-refs asks for. No prefixes ask for all refs.
	Prefixes              []string
	Peel, Symrefs, Unborn bool
}

// maxWants is how many wants are remembered: enough to tell which refs they
// are of.
const maxWants = 64

// Version reads the Git-Protocol field: "version=2", among other keys.
func Version(field string) int {
	version := 0
	for key := range strings.SplitSeq(field, ":") {
		switch strings.TrimSpace(key) {
		case "version=1":
			version = max(version, 1)
		case "version=2":
			version = 2
		}
	}
	return version
}

// ParseQuestion reads a body, codings undone.
func ParseQuestion(version int, body []byte) (Question, error) {
	q := Question{Version: version}
	p := newPackets(bytes.NewReader(body))
	for {
		k, payload, err := p.next()
		switch {
		case errors.Is(err, io.EOF):
			return q, nil
		case err != nil:
			return q, err
		case k == line:
			q.read(text(payload))
		}
	}
}

func (q *Question) read(s string) {
	word, rest, _ := strings.Cut(s, " ")
	switch {
	case q.Version == 2 && strings.HasPrefix(s, "command="):
		q.Command = strings.TrimPrefix(s, "command=")
	case word == "want":
		if q.Version != 2 {
			q.Command = "fetch"
		}
		oid, _, _ := strings.Cut(rest, " ") // protocol 0 has capabilities behind it
		if len(q.Wants) < maxWants && isOID(oid) {
			q.Wants = append(q.Wants, oid)
		}
	case word == "want-ref":
		q.Moves = true
		if len(q.WantRefs) < maxWants {
			q.WantRefs = append(q.WantRefs, rest)
		}
	case word == "deepen-not":
		q.Moves = true
	case word == "ref-prefix":
		q.Prefixes = append(q.Prefixes, rest)
	case s == "peel":
		q.Peel = true
	case s == "symrefs":
		q.Symrefs = true
	case s == "unborn":
		q.Unborn = true
	}
}

// Fixed tells whether the same question has the same answer for ever.
func (q *Question) Fixed() bool {
	switch q.Command {
	case "fetch":
		return !q.Moves
	case "", "object-info":
		return true
	}
	return false
}

// wanted tells whether a fetch asks for a ref's object.
func (q *Question) wanted(r Ref) bool {
	return slices.Contains(q.Wants, r.OID) || slices.Contains(q.WantRefs, r.Name)
}

// hashSize is the number of digits of an object's name: 40, or 64 with SHA-256.
func (q *Question) hashSize() int {
	if len(q.Wants) > 0 {
		return len(q.Wants[0])
	}
	return sha1Size
}

const (
	sha1Size   = 40
	sha256Size = 64
)

func isOID(s string) bool { return (len(s) == sha1Size || len(s) == sha256Size) && isName(s) }
