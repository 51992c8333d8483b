package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"cachex/proxy/policy"
)

// hopByHop are the request fields that are for cachex and not for upstream
// (RFC 9110 section 7.6.1), and those that ask for less than a whole answer.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade", "Expect",
	"Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since",
}

// outgoing is the request for a whole answer that can be kept.
func (p *Proxy) outgoing(ctx context.Context, q *query) *http.Request {
	r := (&http.Request{
		Method: q.r.Method,
		URL:    q.url,
		Host:   q.r.Host,
		Header: q.r.Header.Clone(),
	}).WithContext(ctx)
	for _, v := range q.r.Header.Values("Connection") {
		for name := range strings.SplitSeq(v, ",") {
			r.Header.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		r.Header.Del(name)
	}
	if q.terms.Mode == policy.RFC9111 {
		// A must of RFC 9110 section 7.6.3. The modes for builds leave it out:
		// servers by default don't compress for who comes by a proxy (nginx).
		r.Header.Add("Via", "1.1 cachex")
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header["User-Agent"] = []string{""} // net/http would add its own
	}
	if q.body != nil {
		r.Body = io.NopCloser(bytes.NewReader(q.body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.body)), nil }
		r.ContentLength = int64(len(q.body))
		r.Header.Set("Accept-Encoding", "identity")
		return r
	}
	// Indexes are ten times smaller when compressed. Artifacts are compressed
	// already, and their length and digest should be those announced.
	coding := "gzip"
	if _, artifact := policy.Artifact(q.url, 0, http.Header{}); artifact || compressedName(q.url.Path) || q.r.Header.Get("Range") != "" {
		coding = "identity"
	}
	r.Header.Set("Accept-Encoding", coding)
	return r
}

func compressedName(path string) bool {
	for _, ext := range []string{".gz", ".tgz", ".xz", ".bz2", ".zst", ".zip", ".br", ".lz4"} {
		if strings.HasSuffix(path, ext) {
			return true
		}
	}
	return false
}

// setConditions makes a request ask whether the kept answer still holds.
func setConditions(req, kept http.Header) {
	if etag := kept.Get("ETag"); etag != "" {
		req.Set("If-None-Match", etag)
	}
	if modified := kept.Get("Last-Modified"); modified != "" {
		req.Set("If-Modified-Since", modified)
	}
}

// decode undoes the coding that cachex itself asked for, and reports whether
// there was one. Others stay: the bytes are then what a client would have got
// without cachex.
func decode(req *http.Request, resp *http.Response) bool {
	if req.Header.Get("Accept-Encoding") != "gzip" || !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return false
	}
	// These fields are about the coded bytes.
	for _, name := range []string{"Content-Encoding", "Content-Length", "Content-Digest", "Repr-Digest", "Digest", "Content-Md5"} {
		resp.Header.Del(name)
	}
	resp.ContentLength = -1
	resp.Body = &gunzip{raw: resp.Body}
	return true
}

// gunzip decodes a body when it is first read, so that a header without a body
// is no error.
type gunzip struct {
	raw io.ReadCloser
	z   *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.raw)
		if err != nil {
			return 0, err // io.EOF for an empty body
		}
		g.z = z
	}
	n, err := g.z.Read(p)
	if err == io.EOF {
		// What follows the last member must be the end of the message.
		if extra, rerr := io.Copy(io.Discard, g.raw); rerr != nil || extra > 0 {
			err = errors.Join(errors.New("bytes after the end of the compressed body"), rerr)
		}
	}
	return n, err
}

func (g *gunzip) Close() error { return g.raw.Close() }

// lengthUnknown tells whether an answer ends with its connection, so that a
// cut looks like the end. TLS tells the two apart.
func lengthUnknown(resp *http.Response) bool {
	return resp.ContentLength < 0 && resp.ProtoMajor == 1 && resp.TLS == nil && len(resp.TransferEncoding) == 0
}

// nearRange is the usual Proxy.Near.
const nearRange = 8 << 20

func (p *Proxy) near() int64 {
	if p.Near > 0 {
		return p.Near
	}
	return nearRange
}

// singleRange reads a Range field with one range (RFC 9110 section 14.1.2). A
// suffix has from < 0, its length in to; an open end has to < 0.
func singleRange(h http.Header) (from, to int64, ok bool) {
	spec, ok := strings.CutPrefix(h.Get("Range"), "bytes=")
	first, last, two := strings.Cut(spec, "-")
	if !ok || !two || strings.Contains(spec, ",") {
		return 0, 0, false
	}
	from, to = -1, -1
	var err1, err2 error
	if first = strings.TrimSpace(first); first != "" {
		from, err1 = strconv.ParseInt(first, 10, 64)
	}
	if last = strings.TrimSpace(last); last != "" {
		to, err2 = strconv.ParseInt(last, 10, 64)
	}
	return from, to, err1 == nil && err2 == nil && (from >= 0 || to >= 0)
}

// farRange tells whether a request wants a small part of a large file: then
// the part alone is fetched.
func (p *Proxy) farRange(r *http.Request, length int64) bool {
	if r.Header.Get("Range") == "" || length <= p.near() {
		return false
	}
	from, to, ok := singleRange(r.Header)
	switch {
	case !ok, from < 0: // several ranges, or a suffix
		return true
	case to < 0: // open: a download that goes on
		to = length
	}
	return to-from < length/4 || from > p.near()
}
