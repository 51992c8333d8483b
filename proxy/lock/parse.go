package lock

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// What is wrong with a file, for those who say what to do about it.
var (
	// ErrVersion: a newer cachex has written it.
	ErrVersion = errors.New("written by a newer version")
	// ErrConflict: there are the marks of a merge.
	ErrConflict = errors.New("a conflict of a merge is not resolved")
	// ErrForeign: it is no lock.
	ErrForeign = errors.New("not a lock of cachex")
	// ErrDisagree: two lines have one name and different answers.
	ErrDisagree = errors.New("names the answer differently")
)

// maxLine bounds a line: a URL of 8 KiB, one where it leads, and a request's fields.
const maxLine = 256 << 10

// Parse reads a file. Its errors begin with the name and the number of the line.
func Parse(r io.Reader, name string) (*File, error) {
	f := &File{}
	at := map[string]int{} // the lines' numbers, by what they name
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), maxLine)
	number, begun := 0, false
	for in.Scan() {
		number++
		text := strings.TrimSuffix(in.Text(), "\r")
		err := error(nil)
		switch {
		case conflict(text):
			err = ErrConflict
		case !begun:
			err, begun = version(text), true
		case text == "":
		default:
			var l Line
			if l, err = parseLine(text); err != nil {
				break
			}
			if was, there := f.get(l); there && !was.same(l) {
				err = fmt.Errorf("%w than line %d", ErrDisagree, at[l.identity()])
				break
			}
			f.put(l)
			at[l.identity()] = number
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%s:%d: the line is too long", name, number+1)
	case err != nil:
		return nil, err
	case !begun:
		return nil, fmt.Errorf("%s:1: %w: it is empty", name, ErrForeign)
	}
	return f, nil
}

func (l Line) identity() string { return l.Method + " " + l.URL + l.asked() }

// conflict tells of the lines that git, hg and diff3 leave.
func conflict(text string) bool {
	for _, mark := range []string{"<<<<<<<", "=======", ">>>>>>>", "|||||||"} {
		if strings.HasPrefix(text, mark) {
			return true
		}
	}
	return false
}

func version(text string) error {
	word, ok := strings.CutPrefix(text, magic)
	n, err := strconv.Atoi(word)
	switch {
	case !ok || err != nil || n < 1 || strconv.Itoa(n) != word:
		return fmt.Errorf("%w: it does not begin with %q", ErrForeign, magic+strconv.Itoa(Version))
	case n > Version:
		return fmt.Errorf("%w: format %d, and this cachex knows %d", ErrVersion, n, Version)
	}
	return nil
}

type shapes struct{ method, field, sum *regexp.Regexp }

var shape = sync.OnceValue(func() shapes {
	return shapes{
		method: regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`),
		field:  regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`),
		sum:    regexp.MustCompile(`^[0-9a-f]{64}$`),
	}
})

func parseLine(text string) (Line, error) {
	words := strings.Split(text, " ")
	if len(words) < 4 {
		return Line{}, errors.New("a line is SHA256 SIZE METHOD URL [ATTRIBUTE...]")
	}
	l := Line{Name: Name{Method: words[2], URL: words[3]}, Status: http.StatusOK}
	switch sum, size := words[0], words[1]; {
	case sum == "-" && size == "-":
	case !shape().sum.MatchString(sum):
		return Line{}, errors.New("the digest is not one of SHA-256: 64 hexadecimal digits in lower case")
	default:
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil || n < 0 || strconv.FormatInt(n, 10) != size {
			return Line{}, errors.New("the size is no number of bytes")
		}
		l.SHA256, l.Size = sum, n
	}
	if !shape().method.MatchString(l.Method) {
		return Line{}, errors.New("the method is none")
	}
	if err := checkURL(l.URL); err != nil {
		return Line{}, err
	}
	for _, word := range words[4:] {
		if err := l.attribute(word); err != nil {
			return Line{}, err
		}
	}
	return l, l.check(words)
}

// check refuses what no line is written as.
func (l *Line) check(words []string) error {
	if l.Soft {
		l.Status = 0
	}
	bodyless := l.Soft || l.Status >= 300 || l.Method == http.MethodHead
	switch {
	case bodyless && l.SHA256 != "":
		return errors.New("a body is named that nobody compares: errors, redirects, answers to HEAD and soft lines have \"-\"")
	case !bodyless && l.SHA256 == "":
		return errors.New("the digest is missing")
	case l.String() != strings.Join(words, " "):
		return errors.New("its attributes are not in their order, or in another form than cachex writes: " + l.String())
	}
	return nil
}

// checkURL refuses what is no URL, or may hold a secret.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || Clean(text) != text:
		return errors.New("the URL is none")
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "tcp":
		return errors.New("the URL is neither https nor http")
	case u.User != nil:
		return errors.New("the URL has a user's name or password")
	}
	return nil
}

// attribute reads one.
func (l *Line) attribute(word string) error {
	key, value, isValue := strings.Cut(word, "=")
	name, field, isField := strings.Cut(word, ":")
	switch {
	case word == "auth":
		l.Auth = true
	case word == "soft":
		l.Soft = true
	case isValue && key == "as" && value != "":
		l.As = unescape(value)
	case isValue && key == "to" && value != "":
		l.To = value
		u, err := url.Parse(value)
		if err != nil || Clean(value) != value || u.User != nil {
			return errors.New("the URL that it leads to is none")
		}
	case isValue && key == "status":
		n, err := strconv.Atoi(value)
		if err != nil || n < 200 || n > 599 {
			return errors.New("the status is none")
		}
		l.Status = n
	case isField && shape().field.MatchString(name):
		if l.Fields == nil {
			l.Fields = map[string]string{}
		}
		l.Fields[name] = unescape(field)
	default:
		return fmt.Errorf("unknown attribute %q", word)
	}
	return nil
}

// unescape undoes escape. What it did not write stays, and is refused later as
// being in another form.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.WriteByte(c[0])
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
