package report

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// HTTP Archive 1.2, as browsers' developer tools read it. Names that begin with "_"
// are our own, or, where said, a browser's.

type harFile struct {
	Log harLog `json:"log"`
}

type harLog struct {
	Version string     `json:"version"`
	Creator harCreator `json:"creator"`
	Pages   []harPage  `json:"pages"`
	Entries []harEntry `json:"entries"`
}

type harCreator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type harPage struct {
	Started string         `json:"startedDateTime"`
	ID      string         `json:"id"`
	Title   string         `json:"title"`
	Timings harPageTimings `json:"pageTimings"`
}

type harPageTimings struct {
	OnContentLoad int64 `json:"onContentLoad"`
	OnLoad        int64 `json:"onLoad"`
}

type harEntry struct {
	Page     string      `json:"pageref"`
	Started  string      `json:"startedDateTime"`
	Time     int64       `json:"time"`
	Request  harRequest  `json:"request"`
	Response harResponse `json:"response"`
	// Cache is empty: what it may hold is not known.
	Cache   struct{}   `json:"cache"`
	Timings harTimings `json:"timings"`
	// FromCache is the browsers' mark for what was not fetched.
	FromCache string `json:"_fromCache,omitempty"`
	Outcome   string `json:"_outcome"`
	Reason    string `json:"_reason"`
	Cause     string `json:"_cause,omitempty"`
	SHA256    string `json:"_sha256,omitempty"`
}

type harRequest struct {
	Method      string    `json:"method"`
	URL         string    `json:"url"`
	HTTPVersion string    `json:"httpVersion"`
	Cookies     []harPair `json:"cookies"`
	Headers     []harPair `json:"headers"`
	Query       []harPair `json:"queryString"`
	HeadersSize int64     `json:"headersSize"`
	BodySize    int64     `json:"bodySize"`
}

type harResponse struct {
	Status      int        `json:"status"`
	StatusText  string     `json:"statusText"`
	HTTPVersion string     `json:"httpVersion"`
	Cookies     []harPair  `json:"cookies"`
	Headers     []harPair  `json:"headers"`
	Content     harContent `json:"content"`
	RedirectURL string     `json:"redirectURL"`
	HeadersSize int64      `json:"headersSize"`
	BodySize    int64      `json:"bodySize"`
	// TransferSize is what browsers show as transferred.
	TransferSize int64  `json:"_transferSize"`
	Error        string `json:"_error,omitempty"`
}

type harContent struct {
	Size     int64  `json:"size"`
	MimeType string `json:"mimeType"`
}

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harTimings struct {
	Blocked int64 `json:"blocked"`
	DNS     int64 `json:"dns"`
	Connect int64 `json:"connect"`
	Send    int64 `json:"send"`
	Wait    int64 `json:"wait"`
	Receive int64 `json:"receive"`
	SSL     int64 `json:"ssl"`
}

// harPageID is the run, the one page.
const harPageID = "run"

// WriteHAR writes an HTTP Archive 1.2. Which version of HTTP was spoken, header
// fields, and how long name and connection took, cachex does not keep: they are
// "unknown", absent, and -1. Entries are in the order in which they ended, as the
// format allows, so that any number of them can be written.
func WriteHAR(w io.Writer, r *Report) error {
	version := r.Version
	if version == "" {
		version = "unknown"
	}
	head := harFile{harLog{
		Version: "1.2", Creator: harCreator{"cachex", version},
		Pages:   []harPage{{harTime(r.Started, 0), harPageID, r.commandLine(), harPageTimings{-1, r.MS}}},
		Entries: []harEntry{},
	}}
	entries := func(yield func(any, error) bool) {
		for x, err := range r.Exchanges {
			if !yield(harOf(r, x), err) || err != nil {
				return
			}
		}
	}
	return writeDocument(w, head, list{"entries", entries})
}

func harTime(started time.Time, ms int64) string {
	return started.UTC().Add(time.Duration(ms) * time.Millisecond).Format("2006-01-02T15:04:05.000Z07:00")
}

func harOf(r *Report, x Exchange) harEntry {
	// An answer of which the first byte's time is not known was waited for all along.
	took := max(0, x.MS)
	wait := took
	if x.WaitMS > 0 {
		wait = min(x.WaitMS, took)
	}
	e := harEntry{
		Page: harPageID, Started: harTime(r.Started, x.StartMS), Time: took,
		Request: harRequest{
			Method: x.Method, URL: legalURL(x.URL), HTTPVersion: "unknown", Cookies: []harPair{}, Headers: []harPair{}, Query: harQuery(x.URL),
			HeadersSize: -1, BodySize: -1,
		},
		Response: harResponse{
			Status: x.Status, StatusText: http.StatusText(x.Status), HTTPVersion: "unknown", Cookies: []harPair{}, Headers: []harPair{},
			Content:     harContent{x.Bytes, x.Type},
			HeadersSize: -1, BodySize: x.Network, TransferSize: x.Network,
		},
		Timings: harTimings{Blocked: -1, DNS: -1, Connect: -1, Wait: wait, Receive: took - wait, SSL: -1},
		Outcome: x.Outcome, Reason: x.Reason, Cause: x.Cause, SHA256: x.SHA256,
	}
	if x.Accept != "" {
		e.Request.Headers = append(e.Request.Headers, harPair{"Accept", x.Accept})
	}
	if x.Type != "" {
		e.Response.Headers = append(e.Response.Headers, harPair{"Content-Type", x.Type})
	} else {
		e.Response.Content.MimeType = "x-unknown"
	}
	switch x.Outcome {
	case Hit, Revalidated, Stale:
		e.FromCache = "disk"
	case Error:
		e.Response.Error = x.Reason
	}
	return e
}

// harQuery are the parameters of a URL in their order.
func harQuery(rawURL string) []harPair {
	pairs := []harPair{}
	u, err := url.Parse(rawURL)
	if err != nil {
		return pairs
	}
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, _ := strings.Cut(part, "=")
		if part != "" {
			pairs = append(pairs, harPair{unescapeQuery(name), unescapeQuery(value)})
		}
	}
	return pairs
}

// unescapeQuery decodes what can be decoded.
func unescapeQuery(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}
