package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"cachex/proxy/store"
)

// maxResumes is how often in a row a body that breaks is taken up again without
// getting any further. Each time the request itself may be sent several times.
const maxResumes = 3

// resumable tells whether a body broke for a reason that asking again can mend.
func resumable(err error) bool {
	var ours *appendError
	return err != nil && !errors.As(err, &ours) && !errors.Is(err, errOther)
}

// errOther tells that what upstream sends now is not what it began with.
var errOther = errors.New("the document has changed while it was sent")

// resume asks for the rest of a body: by range where a strong validator says
// that it is the same document (RFC 9110 section 13.1.5), and otherwise for all
// of it, of which the beginning must then be what is there already.
func (f *flight) resume(want fetch, m *store.Meta, try int) (io.ReadCloser, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, &appendError{err}
	}
	if try > 0 {
		select {
		case <-time.After(firstWait << try):
		case <-f.ctx.Done():
			return nil, &appendError{f.ctx.Err()}
		}
	}
	req := want.req.Clone(want.req.Context())
	clearRange(req.Header)
	req.Header.Del("If-None-Match")
	req.Header.Del("If-Modified-Since")
	have := f.network()
	strong := strongValidator(m.Header)
	if strong != "" && !f.coded && have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		req.Header.Set("If-Range", strong)
		req.Header.Set("Accept-Encoding", "identity")
	}
	resp, err := f.p.fetch(req, maxTries)
	if err != nil {
		return nil, err
	}
	rest, err := f.restOf(req, resp, m, have)
	if err != nil {
		resp.Body.Close()
	}
	return rest, err
}

// restOf is what follows the first bytes of the body in a new answer.
func (f *flight) restOf(req *http.Request, resp *http.Response, m *store.Meta, have int64) (io.ReadCloser, error) {
	switch {
	case resp.StatusCode == http.StatusPartialContent:
		from, to, total, ok := contentRange(resp.Header)
		if !ok || from != have || f.length >= 0 && (total != f.length || to != total) || total < 0 ||
			strongValidator(resp.Header) != strongValidator(m.Header) {
			return nil, errOther
		}
		return resp.Body, nil
	case f.p.Policy.Failing(resp.StatusCode), resp.StatusCode >= 500:
		return nil, errors.New(resp.Status)
	case resp.StatusCode != m.Status:
		return nil, errOther
	}
	decode(req, resp)
	if resp.ContentLength >= 0 && f.length >= 0 && resp.ContentLength != f.length {
		return nil, errOther
	}
	if f.keepError() != nil {
		return nil, errOther // what was sent is not all on the disk
	}
	if !sameValidators(m.Header, resp.Header) {
		return nil, errOther // though it may begin alike
	}
	same := &comparing{r: resp.Body, with: f.writer.File(), left: have}
	if _, err := io.CopyN(io.Discard, same, have); err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// sameValidators tells whether two answers claim to be of the same version: the
// header of one must not be kept with the body of another.
func sameValidators(a, b http.Header) bool {
	return a.Get("ETag") == b.Get("ETag") && a.Get("Last-Modified") == b.Get("Last-Modified")
}

// comparing reads a body whose beginning must be that of a file.
type comparing struct {
	r    io.Reader
	with *os.File
	at   int64
	left int64 // how many bytes there are to compare
}

// Read fails with errOther at the first byte that differs.
func (c *comparing) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	check := min(int64(n), c.left)
	if check > 0 {
		was := make([]byte, check)
		if _, rerr := c.with.ReadAt(was, c.at); rerr != nil {
			return 0, rerr
		}
		if !bytes.Equal(was, b[:check]) {
			return 0, errOther
		}
		c.at += check
		c.left -= check
	}
	return n, err
}

// strongValidator is what tells that two answers have the same bytes: a strong
// ETag, else a Last-Modified that was a minute old when it was sent (RFC 9110
// section 8.8.2.2), else "".
func strongValidator(h http.Header) string {
	if etag := h.Get("ETag"); len(etag) > 1 && etag[0] == '"' {
		return etag
	}
	changed, err1 := http.ParseTime(h.Get("Last-Modified"))
	date, err2 := http.ParseTime(h.Get("Date"))
	if err1 == nil && err2 == nil && date.Sub(changed) >= time.Minute && h.Get("ETag") == "" {
		return h.Get("Last-Modified")
	}
	return ""
}

func clearRange(h http.Header) {
	h.Del("Range")
	h.Del("If-Range")
}

// contentRange reads a Content-Range of one part (RFC 9110 section 14.4); to is
// the offset after its last byte, total is -1 when it is not known.
func contentRange(h http.Header) (from, to, total int64, ok bool) {
	spec, found := strings.CutPrefix(h.Get("Content-Range"), "bytes ")
	span, size, two := strings.Cut(spec, "/")
	first, last, three := strings.Cut(span, "-")
	if !found || !two || !three {
		return 0, 0, 0, false
	}
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	total = -1
	var err3 error
	if size != "*" {
		total, err3 = strconv.ParseInt(size, 10, 64)
	}
	to++
	ok = err1 == nil && err2 == nil && err3 == nil && from >= 0 && to > from && (total < 0 || to <= total)
	return from, to, total, ok
}
