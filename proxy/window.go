package proxy

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// window is what a client gets of a whole answer: RFC 9110 sections 13.2.2 and
// 14.2. The zero value, but for the status, is all of it.
type window struct {
	status int // that the client gets
	part   bool
	from   int64
	to     int64 // the offset after the last byte
	length int64
	none   bool // no body
}

// windowOf evaluates the client's conditions and its range for an answer of so
// many bytes, -1 unknown. Of several ranges at once, or where the length is not
// known, the client gets all.
func windowOf(method string, status int, asked, answer http.Header, length int64) window {
	w := window{status: status, length: length}
	if status != http.StatusOK || method != http.MethodGet && method != http.MethodHead {
		return w
	}
	switch {
	case failsPrecondition(asked, answer):
		w.status, w.none = http.StatusPreconditionFailed, true
		return w
	case notModified(asked, answer):
		w.status, w.none = http.StatusNotModified, true
		return w
	}
	if method != http.MethodGet || asked.Get("Range") == "" || length < 0 || !sameForRange(asked, answer) {
		return w
	}
	span, ok := spanOf(asked, length)
	from, _, one := singleRange(asked)
	switch {
	case ok:
		w.status, w.part, w.from, w.to = http.StatusPartialContent, true, span.From, span.To
	case one && from >= length && length > 0 && asked.Get("If-None-Match") == "": // see beyond
		w.status, w.none = http.StatusRequestedRangeNotSatisfiable, true
	}
	return w
}

// cut is what of a piece of the body, at an offset, the client gets.
func (w *window) cut(at int64, b []byte) []byte {
	switch {
	case w.none:
		return nil
	case !w.part:
		return b
	}
	from, to := max(w.from-at, 0), min(w.to-at, int64(len(b)))
	if from >= to {
		return nil
	}
	return b[from:to]
}

// apply makes the header one for what the client gets.
func (w *window) apply(h http.Header) {
	switch {
	case w.part:
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", w.from, w.to-1, w.length))
		h.Set("Content-Length", strconv.FormatInt(w.to-w.from, 10))
	case w.none:
		h.Del("Content-Length")
		h.Del("Content-Type")
		h.Del("Content-Encoding")
		switch w.status {
		case http.StatusRequestedRangeNotSatisfiable:
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", w.length))
			fallthrough
		case http.StatusPreconditionFailed:
			h.Set("Content-Length", "0")
		}
	}
}

// failsPrecondition evaluates If-Match, else If-Unmodified-Since.
func failsPrecondition(asked, answer http.Header) bool {
	if list := asked.Values("If-Match"); len(list) > 0 {
		return !hasTag(list, answer.Get("Etag"), false)
	}
	since, err1 := http.ParseTime(asked.Get("If-Unmodified-Since"))
	modified, err2 := http.ParseTime(answer.Get("Last-Modified"))
	return err1 == nil && err2 == nil && modified.After(since)
}

// notModified evaluates If-None-Match, else If-Modified-Since, also by the Date of
// an answer that does not say when it was modified.
func notModified(asked, answer http.Header) bool {
	if list := asked.Values("If-None-Match"); len(list) > 0 {
		return hasTag(list, answer.Get("Etag"), true)
	}
	since, err := http.ParseTime(asked.Get("If-Modified-Since"))
	modified, merr := http.ParseTime(answer.Get("Last-Modified"))
	if err == nil && merr == nil {
		return !modified.Truncate(time.Second).After(since)
	}
	return unchangedSinceDate(asked, answer)
}

// hasTag looks for an entity tag in a list (RFC 9110 section 8.8.3.2). Weak ones
// are equal where weak is set. What follows something that is no tag is not read.
func hasTag(list []string, tag string, weak bool) bool {
	bare := strings.TrimPrefix(tag, "W/")
	rest := strings.Join(list, ",")
	for {
		rest = strings.TrimLeft(rest, ", \t")
		if strings.HasPrefix(rest, "*") {
			return true
		}
		item, isWeak := strings.CutPrefix(rest, "W/")
		if !strings.HasPrefix(item, `"`) {
			return false
		}
		text, after, ended := strings.Cut(item[1:], `"`)
		if !ended {
			return false
		}
		if same := `"`+text+`"` == bare; same && (weak || !isWeak && bare == tag) {
			return true
		}
		rest = after
	}
}

// sameForRange evaluates If-Range: the client has a part of this very answer.
func sameForRange(asked, answer http.Header) bool {
	switch condition := asked.Get("If-Range"); {
	case condition == "":
		return true
	case strings.HasPrefix(condition, `"`):
		return condition == answer.Get("Etag")
	case strings.HasPrefix(condition, "W/"):
		return false
	default:
		return condition == answer.Get("Last-Modified")
	}
}
