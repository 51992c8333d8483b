package main

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// Where in a file a key stands. The decoder tells that of what it can't read
// alone, and messages about what it could read need it as well.

// keyLines are the lines of the keys of a valid TOML document, by their paths:
// "policy", "rule[0]", "rule[0].url".
type keyLines map[string]int

// of is the line of a key, or of the table that it is in; 0 when neither is known.
func (l keyLines) of(path string) int {
	for path != "" {
		for _, p := range []string{path, path + "[0]"} {
			if n, ok := l[p]; ok {
				return n
			}
		}
		cut := max(strings.LastIndexByte(path, '.'), 0)
		if cut == 0 {
			cut = max(strings.LastIndexByte(path, '['), 0)
		}
		path = path[:cut]
	}
	return 0
}

// findLines reads a document that the decoder has accepted.
func findLines(text string) keyLines {
	s := lineScanner{text: text, line: 1, lines: keyLines{}, tables: map[string]int{}}
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '\n':
			s.line++
			s.at++
		case c == ' ', c == '\t', c == '\r':
			s.at++
		case c == '#':
			s.skipComment()
		case c == '[':
			s.header()
		default:
			s.pair()
		}
	}
	return s.lines
}

// lineScanner knows as much of TOML 1.0 as it takes to find the end of a value.
type lineScanner struct {
	text     string
	at, line int
	table    string // path of the table that pairs belong to, "" at first
	lines    keyLines
	tables   map[string]int // [[…]] so far, by path
}

func (s *lineScanner) skipComment() {
	for s.at < len(s.text) && s.text[s.at] != '\n' {
		s.at++
	}
}

// header reads [table] or [[table]]. The document is valid, so that it ends on
// its line.
func (s *lineScanner) header() {
	end := strings.IndexByte(s.text[s.at:]+"\n", '\n') + s.at
	line := s.text[s.at:min(end, len(s.text))]
	depth := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '[':
			depth++
		case ']':
			depth--
		case '"', '\'':
			i += stringLen(line[i:]) - 1
		}
		if depth == 0 {
			line = line[:i+1]
			break
		}
	}
	s.at = min(end, len(s.text))
	many := strings.HasPrefix(line, "[[")
	path := s.resolve(keyParts(line+"\n"), many)
	if many {
		path = fmt.Sprintf("%s[%d]", path, s.tables[path])
		s.tables[path[:strings.LastIndexByte(path, '[')]]++
	}
	s.table = path
	s.lines.put(path, s.line)
}

// resolve makes a path of a header's key: what is below a [[table]] is below its
// last one.
func (s *lineScanner) resolve(key []string, many bool) string {
	path := ""
	for i, part := range key {
		path = join(path, part)
		if n := s.tables[path]; n > 0 && (i < len(key)-1 || !many) {
			path = fmt.Sprintf("%s[%d]", path, n-1)
		}
	}
	return path
}

func join(path, part string) string {
	if path == "" {
		return part
	}
	return path + "." + part
}

// put notes the first line alone.
func (l keyLines) put(path string, line int) {
	if _, ok := l[path]; !ok {
		l[path] = line
	}
}

// pair reads KEY = VALUE.
func (s *lineScanner) pair() {
	from := s.at
	for s.at < len(s.text) && s.text[s.at] != '=' && s.text[s.at] != '\n' {
		if c := s.text[s.at]; c == '"' || c == '\'' {
			s.at += stringLen(s.text[s.at:])
			continue
		}
		s.at++
	}
	path := s.table
	for _, part := range keyParts(s.text[from:s.at] + "=0\n") {
		path = join(path, part)
		s.lines.put(path, s.line)
	}
	depth := 0
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case '#':
			s.skipComment()
			continue
		case '"', '\'':
			n := stringLen(s.text[s.at:])
			s.line += strings.Count(s.text[s.at:s.at+n], "\n")
			s.at += n
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '\n':
			if depth <= 0 {
				return
			}
			s.line++
		}
		s.at++
	}
}

// stringLen is how long the string is that a text begins with, quotes included.
func stringLen(text string) int {
	quote := text[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text, triple) {
		quote = triple
	}
	for i := len(quote); i < len(text); i++ {
		switch {
		case quote[0] == '"' && text[i] == '\\':
			i++
		case strings.HasPrefix(text[i:], quote):
			i += len(quote)
			for len(quote) == 3 && i < len(text) && text[i] == quote[0] { // """a""""
				i++
			}
			return i
		}
	}
	return len(text)
}

// keyParts are the parts of the one key of a line.
func keyParts(line string) []string {
	var any map[string]any
	md, err := toml.Decode(line, &any)
	if keys := md.Keys(); err == nil && len(keys) > 0 {
		return keys[len(keys)-1]
	}
	return nil
}
