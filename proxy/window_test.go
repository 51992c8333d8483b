package proxy

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// What a window makes of a whole answer is what net/http makes of a file.
func FuzzWindow(f *testing.F) {
	for _, s := range []string{"bytes=0-4", "bytes=5-", "bytes=-3", "bytes=9-20", "bytes=10-", "bytes=4-2", "bytes=-0", "items=0-4", "bytes=a-b", ""} {
		f.Add(s, "", "", "", "")
	}
	f.Add("bytes=0-4", `"tag"`, "", "", "")
	f.Add("bytes=0-4", `"other"`, "", "", "")
	f.Add("bytes=0-4", `W/"tag"`, "", "", "")
	f.Add("bytes=0-4", "Thu, 26 Nov 2026 16:00:00 GMT", "", "", "")
	f.Add("", "", `"other", "tag"`, "", "")
	f.Add("", "", `W/"tag"`, "Thu, 26 Nov 2020 16:00:00 GMT", "")
	f.Add("", "", "", "Fri, 27 Nov 2026 16:00:00 GMT", "")
	f.Add("", "", "", "Thu, 26 Nov 2020 16:00:00 GMT", `"tag"`)
	f.Add("bytes=2-3", "", "*", "", "*")
	modified := time.Date(2026, 11, 26, 16, 0, 0, 0, time.UTC)
	text := []byte("0123456789")
	f.Fuzz(func(t *testing.T, span, ifRange, noneMatch, since, match string) {
		asked := http.Header{}
		for name, v := range map[string]string{"Range": span, "If-Range": ifRange, "If-None-Match": noneMatch, "If-Modified-Since": since, "If-Match": match} {
			if v != "" {
				asked.Set(name, v)
			}
		}
		if _, _, one := singleRange(asked); span != "" && !one {
			return // several, or what is no range: the client gets all, or an error
		}
		if from, to, one := singleRange(asked); one && (from >= 0 && to >= 0 && to < from || from < 0 && to == 0) {
			return // ranges of nothing: they may be ignored, and are
		}
		if !listOfTags().MatchString(match) || !listOfTags().MatchString(noneMatch) {
			return // how much of it is read is a matter of taste
		}
		answer := http.Header{"Etag": {`"tag"`}, "Last-Modified": {modified.Format(http.TimeFormat)}}
		rec := httptest.NewRecorder()
		rec.Header().Set("ETag", `"tag"`)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = asked.Clone()
		http.ServeContent(rec, r, "", modified, bytes.NewReader(text))
		want := rec.Result()
		body, err := io.ReadAll(want.Body)
		if err != nil {
			t.Fatal(err)
		}
		w := windowOf(http.MethodGet, http.StatusOK, asked, answer, int64(len(text)))
		var got []byte
		for at := range text { // in pieces of three
			if at%3 == 0 {
				got = append(got, w.cut(int64(at), text[at:min(at+3, len(text))])...)
			}
		}
		if from, _, _ := singleRange(asked); noneMatch != "" && from >= int64(len(text)) && w.status == http.StatusOK {
			return // see beyond
		}
		if want.StatusCode >= 400 {
			body = nil // its text is net/http's
		}
		if w.status != want.StatusCode || !bytes.Equal(got, body) {
			t.Fatalf("%v: %d %q, net/http has %d %q", asked, w.status, got, want.StatusCode, body)
		}
		w.apply(answer)
		if w.part && (answer.Get("Content-Range") != want.Header.Get("Content-Range") || answer.Get("Content-Length") != strconv.Itoa(len(got))) {
			t.Fatalf("%v: %v, net/http has %v", asked, answer, want.Header)
		}
	})
}

// listOfTags is nothing, or a list of entity tags as RFC 9110 has it.
func listOfTags() *regexp.Regexp {
	return regexp.MustCompile(`^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)?$`)
}
