package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// serveEntry answers from the store, with ranges and conditions (RFC 9110
// sections 13 and 14), and closes the entry.
func (p *Proxy) serveEntry(w http.ResponseWriter, q *query, e *store.Entry, o Outcome, use policy.Use) {
	defer e.Close()
	x := q.x
	x.fetched = time.Duration(e.FetchMS) * time.Millisecond
	x.ex.SHA256 = e.SHA256
	p.head(w.Header(), q, &e.Meta, use.Age)
	mark(w.Header(), hitStatus(o))
	x.lively.stage.leave()
	x.lively.stage.words.Store(&sending)
	out := &responseMeter{ResponseWriter: w}
	if c, ok := q.r.Context().Value(connKey{}).(*conn); ok && c.scheme == "https" {
		out.buffers = &p.buffers
	}
	switch {
	case e.File == nil && e.Own && !e.Mine:
		http.Error(out, "cachex: "+http.StatusText(e.Status), e.Status)
	case e.File == nil:
		serveText(out, q.r, e.Status, e.Body)
	case e.Status != http.StatusOK:
		serveWhole(out, q.r, e)
	default:
		serveContent(out, q.r, e.Header, e.File)
	}
	x.bytes = out.n
	x.finish(o, use.Reason, out.status)
}

// head sets the header of a kept answer.
func (p *Proxy) head(h http.Header, q *query, m *store.Meta, age time.Duration) {
	copyHeader(h, m.Header)
	copyHeader(h, p.cookies.of(m))
	if p.Offline {
		age = -1 // clients that keep things themselves count from the Date
	}
	setAge(h, age)
}

func serveText(w http.ResponseWriter, r *http.Request, status int, text []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(text)
	}
}

// serveWhole serves a body whose status is not 200: conditions and ranges are
// about 200 alone.
func serveWhole(w http.ResponseWriter, r *http.Request, e *store.Entry) {
	if e.Status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.FormatInt(e.Size, 10))
	}
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead && e.Status != http.StatusNoContent {
		io.CopyN(w, e.File, e.Size) // a client that is gone is no news
	}
}

// serveContent is http.ServeContent without its guess at a media type: what
// upstream did not say, cachex does not say either.
func serveContent(w http.ResponseWriter, r *http.Request, kept http.Header, content io.ReadSeeker) {
	if len(w.Header().Values("Content-Type")) == 0 {
		w.Header()["Content-Type"] = nil
	}
	if r.Method == http.MethodPost { // the answer to a question, not a document
		r = r.WithContext(r.Context())
		r.Header = http.Header{}
	}
	if beyond(r.Header, content) || r.Header.Get("Range") != "" && empty(content) {
		// A client that knows a newer and longer document than is kept, and
		// asks for what follows of it (gem indexes), gets all there is. Of an
		// empty one net/http would send bytes "0--1/0" as the last bytes.
		r = r.WithContext(r.Context())
		r.Header = r.Header.Clone()
		r.Header.Del("Range")
	}
	if unchangedSinceDate(r.Header, kept) {
		w.Header().Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	modified, _ := http.ParseTime(kept.Get("Last-Modified")) // the zero time is unknown
	http.ServeContent(w, r, "", modified, content)
}

// unchangedSinceDate evaluates If-Modified-Since by the Date of an answer that
// has no Last-Modified (RFC 9111 section 4.3.2).
func unchangedSinceDate(req, kept http.Header) bool {
	since, err := http.ParseTime(req.Get("If-Modified-Since"))
	if err != nil || req.Get("If-None-Match") != "" || kept.Get("Last-Modified") != "" {
		return false
	}
	date, err := http.ParseTime(kept.Get("Date"))
	return err == nil && !date.After(since)
}

// beyond tells of a range after the end of a document, with a condition that
// says that the client has another one.
func beyond(req http.Header, content io.Seeker) bool {
	from, _, ok := singleRange(req)
	if !ok || from < 0 || req.Get("If-None-Match") == "" {
		return false
	}
	size, err := content.Seek(0, io.SeekEnd)
	return err == nil && from >= size
}

func empty(content io.Seeker) bool {
	size, err := content.Seek(0, io.SeekEnd)
	return err == nil && size == 0
}

func copyHeader(to, from http.Header) {
	for name, values := range from {
		to[name] = append([]string(nil), values...)
	}
}

// responseMeter notes status and size of what is sent.
type responseMeter struct {
	http.ResponseWriter
	// buffers are for a body that the kernel can't send by itself. They are twice as
	// large as net/http's, and a file of 1 GiB takes 6 % less processor time by them.
	buffers *buffers
	status  int
	n       int64
}

// WriteHeader notes the final status.
func (m *responseMeter) WriteHeader(status int) {
	if m.status < 200 {
		m.status = status
	}
	m.ResponseWriter.WriteHeader(status)
}

func (m *responseMeter) Write(b []byte) (int, error) {
	if m.status < 200 {
		m.status = http.StatusOK
	}
	n, err := m.ResponseWriter.Write(b)
	m.n += int64(n)
	return n, err
}

// ReadFrom keeps net/http's way of sending files within the kernel, where there is no
// TLS.
func (m *responseMeter) ReadFrom(r io.Reader) (n int64, err error) {
	if m.status < 200 {
		m.status = http.StatusOK
	}
	if m.buffers == nil {
		n, err = io.Copy(m.ResponseWriter, r)
	} else {
		buf := m.buffers.get()
		n, err = io.CopyBuffer(struct{ io.Writer }{m.ResponseWriter}, r, buf[:])
		m.buffers.put(buf)
	}
	m.n += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (m *responseMeter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// serveFlight streams an answer while it arrives and is kept.
func (p *Proxy) serveFlight(w http.ResponseWriter, q *query, f *flight, leads bool, a asked) {
	x := q.x
	x.begun()
	copyHeader(w.Header(), f.header)
	if leads || p.Policy == policy.RFC9111 {
		copyHeader(w.Header(), f.cookies)
	}
	mark(w.Header(), missStatus(q, a, !leads))
	out := &responseMeter{ResponseWriter: w}
	ctx := q.r.Context()
	switch {
	case f.length < 0:
		var stop func()
		ctx, stop = lingering(ctx)
		defer stop()
	case q.partly:
		ctx = context.WithoutCancel(ctx)
	}
	body := f.reader(ctx)
	defer body.close()
	err := error(nil)
	switch {
	case f.text != nil || f.status >= 300 || f.status == http.StatusNoContent:
		serveText(out, q.r, f.status, f.text)
	case f.length >= 0 && f.status == http.StatusOK && wantsPart(q.r):
		f.fill()
		serveContent(out, q.r, f.header, body)
		err = body.err
	default:
		err = p.stream(out, f.status, body, f.length)
	}
	x.bytes = out.n
	var first bool
	x.network, first = f.share()
	x.ex.SHA256 = f.digest()
	x.ex.Cause = refetched(a, f.status, x.ex.SHA256)
	if err != nil {
		x.finish(Error, err.Error(), out.status)
		// The client must see that the answer is not whole, also one that has
		// ended its sending side and so looks as if it were gone.
		panic(http.ErrAbortHandler)
	}
	o, reason := Miss, a.why
	if !first && x.network == 0 {
		o, reason = Hit, "downloaded for another request"
	} else if f.partials != nil && x.network == 0 {
		// Its bytes are in the account of the process that fetched them.
		o, reason = Hit, "downloaded by another run"
	} else if keepErr := f.keepError(); keepErr != nil {
		o, reason = Pass, notWritten+keepErr.Error()
	}
	x.finish(o, reason, out.status)
}

// linger is how long the end of a body of unknown length may come after its client
// has gone. Clients that find the end in the body (git, archives) leave when they
// have it, and what they have got is whole all the same.
const linger = time.Second

// lingering ends a while after its parent, or when stop is called.
func lingering(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	left := context.AfterFunc(parent, func() { time.AfterFunc(linger, cancel) })
	return ctx, func() {
		left()
		cancel()
	}
}

// missStatus describes an answer from upstream that is kept.
func missStatus(q *query, a asked, collapsed bool) string {
	s := fwdMiss
	switch {
	case a.old != nil:
		s = fwdStale
	case q.learned != nil || a.variant != q.base:
		s = fwdVary
	}
	if collapsed {
		return s + "; collapsed"
	}
	return s + "; stored"
}

func wantsPart(r *http.Request) bool {
	for _, name := range []string{"Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

// waiter is a body that says when reading it would wait.
type waiter interface {
	io.Reader
	wouldWait() bool
}

// stream copies a body that is still arriving, and sends what there is
// whenever it has to wait.
func (p *Proxy) stream(w *responseMeter, status int, body waiter, length int64) error {
	if length >= 0 && status != http.StatusNoContent && status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	w.WriteHeader(status)
	flush := http.NewResponseController(w.ResponseWriter)
	buf := p.buffers.get()
	defer p.buffers.put(buf)
	sent := int64(0)
	for {
		if body.wouldWait() {
			if err := flush.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) && sent != length {
				return err
			}
		}
		n, err := body.Read(buf[:])
		if n > 0 {
			sent += int64(n)
			// A client with the whole length may go without waiting for the end of
			// the stream (curl does), which can look as if the last bytes had failed.
			if _, err := w.Write(buf[:n]); err != nil && sent != length {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// always is a body of which nothing is known: each piece is sent at once.
type always struct{ io.Reader }

func (always) wouldWait() bool { return true }

// serveUnkept hands the one client that asked for it an answer that nobody
// else gets.
func (p *Proxy) serveUnkept(w http.ResponseWriter, q *query, f *flight) {
	resp := f.resp
	defer resp.Body.Close()
	defer context.AfterFunc(q.r.Context(), f.cancel)()
	unguard(resp)
	q.x.lively.stage.leave()
	q.x.lively.stage.set("is passed on as it comes: %s", resp.Status)
	copyHeader(w.Header(), policy.KeptHeader(resp.Header))
	for _, name := range []string{"Set-Cookie", "Set-Cookie2", "Location"} {
		if v := resp.Header.Values(name); len(v) > 0 {
			w.Header()[name] = v
		}
	}
	mark(w.Header(), fwdMiss)
	q.x.begun()
	out := &responseMeter{ResponseWriter: w}
	err := p.stream(out, resp.StatusCode, always{resp.Body}, resp.ContentLength)
	q.x.bytes, q.x.network = out.n, out.n
	if err != nil {
		q.x.finish(Error, err.Error(), resp.StatusCode)
		panic(http.ErrAbortHandler)
	}
	q.x.finish(Pass, f.keep.Reason, resp.StatusCode)
}

// interim is a 1xx answer on its way to the client whose request it is for.
type interim struct {
	status int
	header http.Header
}

// withInterim makes a request report its interim answers (RFC 9110 section
// 15.2). One that nobody takes is dropped.
func withInterim(ctx context.Context, to chan<- interim) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
			if status == http.StatusContinue || status == http.StatusSwitchingProtocols {
				return nil // about the connection upstream
			}
			select {
			case to <- interim{status, http.Header(h)}:
			default:
			}
			return nil
		},
	})
}

// serveInterim sends an interim answer and forgets its fields.
func serveInterim(w http.ResponseWriter, i interim) {
	h := w.Header()
	copyHeader(h, i.header)
	w.WriteHeader(i.status)
	clear(h)
}
