// Package lock reads and writes the file that names what runs have received.
//
// It begins with the line "cachex lock 1". Each other line names one answer:
//
//	SHA256 SIZE METHOD URL [ATTRIBUTE...]
//
// The digest and the size in bytes are those of the whole body. Both are "-" where
// the body is not named: of errors and redirects, for HEAD, and of soft lines. An
// attribute is one of
//
//	as=LABEL      the representation that was asked for (media type, protocol)
//	auth          asked for with credentials
//	NAME:VALUE    a field of the request that selected the answer, in lower case
//	status=CODE   of the answer, where it is not 200
//	to=URL        where a redirect leads
//	soft          asked for, but the answer may be any
//
// Nothing in it is a secret. Lines stand in the order of their URLs, so that what
// changes changes in place.
package lock

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Version is that of the format.
const Version = 1

const magic = "cachex lock "

// Name is what was asked for.
type Name struct {
	Method string
	// URL is without secrets; see Clean.
	URL string
	// As is the representation that the request asked for, "" for the ordinary one.
	As string
	// Auth is set when it was asked for with credentials.
	Auth bool
}

// Line is what was received.
type Line struct {
	Name
	// Fields are those of the request that selected the answer, in lower case; nil
	// for none.
	Fields map[string]string
	// Status is that of the answer; 0 on a soft line.
	Status int
	// SHA256 is the digest of the body, hexadecimal, "" where it is not named.
	SHA256 string
	// Size is that of the body in bytes, where there is a digest.
	Size int64
	// To is where a redirect leads, "" for none.
	To string
	// Soft is set when the answer may be any.
	Soft bool
}

// File is what a lock names. The zero value names nothing.
type File struct {
	byName map[Name][]Line // of one name, with other Fields each
}

// Len is the number of lines.
func (f *File) Len() int {
	n := 0
	for _, lines := range f.byName {
		n += len(lines)
	}
	return n
}

// Find gives the line for a name. Of several, selected by fields of the request,
// it is the one with the most fields of which selects says that they are the
// request's, and else any: whoever gets the answer compares it.
func (f *File) Find(n Name, selects func(fields map[string]string) bool) (Line, bool) {
	lines := f.byName[n]
	best := -1
	for i, l := range lines {
		if selects(l.Fields) && (best < 0 || len(l.Fields) > len(lines[best].Fields)) {
			best = i
		}
	}
	switch {
	case best >= 0:
		return lines[best], true
	case len(lines) > 0:
		return lines[0], true
	}
	return Line{}, false
}

// put adds a line, or has it take the place of the one of its name and fields.
func (f *File) put(l Line) {
	if f.byName == nil {
		f.byName = map[Name][]Line{}
	}
	for i, was := range f.byName[l.Name] {
		if maps.Equal(was.Fields, l.Fields) {
			f.byName[l.Name][i] = l
			return
		}
	}
	f.byName[l.Name] = append(f.byName[l.Name], l)
}

// get is the line of a name and exactly these fields.
func (f *File) get(l Line) (Line, bool) {
	for _, was := range f.byName[l.Name] {
		if maps.Equal(was.Fields, l.Fields) {
			return was, true
		}
	}
	return Line{}, false
}

// same tells whether two lines name the same answer.
func (l Line) same(other Line) bool {
	return l.Status == other.Status && l.SHA256 == other.SHA256 && l.Size == other.Size && l.To == other.To && l.Soft == other.Soft
}

// Lines are all lines in the order in which they are written.
func (f *File) Lines() []Line {
	var all []Line
	for _, lines := range f.byName {
		all = append(all, lines...)
	}
	slices.SortFunc(all, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.URL, b.URL), cmp.Compare(a.Method, b.Method), cmp.Compare(a.asked(), b.asked()))
	})
	return all
}

// WriteTo writes the file.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%d\n", magic, Version)
	for _, l := range f.Lines() {
		b.WriteString(l.String() + "\n")
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// Merged are the numbers of lines that Merge has added, and changed.
type Merged struct{ Added, Changed int }

// Merge takes what a run has received. A line that was soft stays so.
func (f *File) Merge(got *File) Merged {
	var m Merged
	for _, l := range got.Lines() {
		was, there := f.get(l)
		switch {
		case !there:
			m.Added++
		case was.Soft || was.same(l):
			continue
		default:
			m.Changed++
		}
		f.put(l)
	}
	return m
}

// asked are the attributes that tell what was asked for.
func (l Line) asked() string {
	var b strings.Builder
	if l.As != "" {
		b.WriteString(" as=" + escape(l.As, true))
	}
	if l.Auth {
		b.WriteString(" auth")
	}
	for _, name := range slices.Sorted(maps.Keys(l.Fields)) {
		b.WriteString(" " + name + ":" + escape(l.Fields[name], true))
	}
	return b.String()
}

// String is the line as it is written.
func (l Line) String() string {
	sum, size := "-", "-"
	if l.SHA256 != "" {
		sum, size = l.SHA256, strconv.FormatInt(l.Size, 10)
	}
	s := sum + " " + size + " " + l.Method + " " + l.URL + l.asked()
	if l.Status != 0 && l.Status != http.StatusOK {
		s += " status=" + strconv.Itoa(l.Status)
	}
	if l.To != "" {
		s += " to=" + l.To
	}
	if l.Soft {
		s += " soft"
	}
	return s
}

// Clean is a URL as lines have it: what would not be one word of printable
// letters is escaped.
func Clean(url string) string { return escape(url, false) }

// escape writes bytes that are not printable, and the percent sign if it is
// asked to, as URLs do.
func escape(s string, percent bool) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' && percent {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Recorder collects what a run receives. It is safe for concurrent use; the zero
// value is empty.
type Recorder struct {
	mu  sync.Mutex
	got File
}

// Record takes an answer. A name whose answers differ within a run is soft. What no
// line can name, such as a method that is no word, is left out: a file that could
// not be read again would be worse.
func (r *Recorder) Record(l Line) {
	if l.Status == 0 && !l.Soft {
		l.Status = http.StatusOK
	}
	if _, err := parseLine(l.String()); err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, there := r.got.get(l); there && !was.same(l) {
		l = Line{Name: l.Name, Fields: l.Fields, Soft: true}
	}
	r.got.put(l)
}

// MergeInto is Merge with what was recorded.
func (r *Recorder) MergeInto(f *File) Merged {
	r.mu.Lock()
	defer r.mu.Unlock()
	return f.Merge(&r.got)
}
