package policy

import (
	"net/http"
	"testing"
	"time"
)

// TestFreshnessByRFC says for how many seconds after noon an answer is fresh
// under RFC 9111 alone.
func TestFreshnessByRFC(t *testing.T) {
	date := "Date: " + noonFmt
	changed := func(ago time.Duration) string { return "Last-Modified: " + noon.Add(-ago).Format(http.TimeFormat) }
	for _, c := range []struct {
		status int
		lines  []string
		want   int // seconds
	}{
		{200, nil, 0},
		{404, nil, 0},
		{200, []string{date, changed(1000 * time.Second)}, 100},
		{200, []string{date, changed(365 * 24 * time.Hour)}, 24 * 3600},
		{200, []string{date, changed(-time.Hour)}, 0},
		{404, []string{date, changed(1000 * time.Second)}, 100},
		{403, []string{date, changed(1000 * time.Second)}, 0},
		{403, []string{date, changed(1000 * time.Second), "Cache-Control: public"}, 100},
		{200, []string{date, changed(1000 * time.Second), "Cache-Control: max-age=5"}, 5},
		{200, []string{date, "Expires: Sun, 22 Nov 2026 12:01:00 GMT"}, 60},
		{200, []string{date, "Expires: SUN, 22 nov 2026 12:01:00 gmt"}, 60},
		{200, []string{date, "Expires: Sunday, 22-Nov-26 12:01:00 GMT"}, 60},
		{200, []string{date, "Expires: Sun Nov 22 12:01:00 2026"}, 60},
		{200, []string{date, "Expires: Sun, 22 Nov 2026 12:01:00 UTC"}, 0},
		{200, []string{date, "Expires: Sun, 22  Nov  2026 12:01:00 GMT"}, 0},
		{200, []string{date, "Expires: Sun, 22 Nov 2026 9:01:00 GMT"}, 0},
		{200, []string{date, "Expires: Sun, 22 Nov 26 12:01:00 GMT"}, 0},
		{200, []string{date, "Expires: Sun, 22-Nov-2026 12:01:00 GMT"}, 0},
		{200, []string{date, "Expires: Sun, 22 Nov 2026 12:01:00 GMT", "Expires: Sun, 22 Nov 2026 12:02:00 GMT"}, 0},
		{200, []string{"Age: 20, 0", "Cache-Control: max-age=60"}, 40},
		{200, []string{"Age: 0", "Age: 20", "Cache-Control: max-age=60"}, 60},
		{200, []string{"Age: -20", "Cache-Control: max-age=60"}, 60},
		{200, []string{"CDN-Cache-Control: max-age=60", "Cache-Control: max-age=5"}, 60},
		{200, []string{"CDN-Cache-Control: max-age=5", "Cache-Control: max-age=60"}, 5},
		{200, []string{"CDN-Cache-Control: max-age=60, &&", "Cache-Control: max-age=5"}, 5},
		{200, []string{`CDN-Cache-Control: max-age="60"`, "Cache-Control: max-age=5"}, 5},
		{200, []string{"CDN-Cache-Control: no-cache", "Cache-Control: max-age=60"}, 0},
		{503, []string{"Cache-Control: max-age=60"}, 60},
	} {
		a := kept(t, c.status, c.lines...)
		for _, after := range []time.Duration{time.Millisecond, time.Duration(c.want)*time.Second - 1, time.Duration(c.want) * time.Second} {
			want := after < time.Duration(c.want)*time.Second
			if use := RFC9111.Judge(nil, a, noon.Add(after)); after > 0 && use.Fresh != want {
				t.Errorf("%d %q %v later: %+v, want %d s", c.status, c.lines, after, use, c.want)
			}
		}
	}
}

// TestStale says what may be done with an answer ten seconds after its
// freshness has ended.
func TestStale(t *testing.T) {
	now := noon.Add(70 * time.Second)
	for _, c := range []struct {
		control, asked          string
		fresh, refresh, standby bool
	}{
		{"max-age=60", "", false, false, true},
		{"max-age=60, must-revalidate", "", false, false, false},
		{"max-age=60, proxy-revalidate", "", false, false, false},
		{"s-maxage=60", "", false, false, false},
		{"max-age=60, no-cache", "", false, false, false},
		{`max-age=60, no-cache="x"`, "", false, false, true},
		{"max-age=60, stale-if-error=11", "", false, false, true},
		{"max-age=60, stale-if-error=10", "", false, false, false},
		{"max-age=60, stale-while-revalidate=11", "", false, true, true},
		{"max-age=60, stale-while-revalidate=10", "", false, false, true},
		{"max-age=60, stale-while-revalidate=11, must-revalidate", "", false, false, false},
		{"max-age=60", "max-stale", true, false, true},
		{"max-age=60", "max-stale=10", true, false, true},
		{"max-age=60", "max-stale=9", false, false, true},
		{"max-age=60, must-revalidate", "max-stale", false, false, false},
		{"max-age=100", "min-fresh=30", true, false, true},
		{"max-age=100", "min-fresh=31", false, false, true},
		{"max-age=100", "max-age=70", false, false, true},
		{"max-age=100", "no-cache", false, false, true},
	} {
		req := http.Header{}
		if c.asked != "" {
			req.Set("Cache-Control", c.asked)
		}
		use := RFC9111.Judge(req, kept(t, 200, "Cache-Control: "+c.control), now)
		if use.Fresh != c.fresh || use.Refresh != c.refresh || use.Standby != c.standby || use.Age != 70*time.Second {
			t.Errorf("%q asked with %q: %+v", c.control, c.asked, use)
		}
		// A build is better off with yesterday's index than with none.
		if use := Artifacts.Judge(nil, kept(t, 200, "Cache-Control: "+c.control), now); !use.Standby || use.Refresh {
			t.Errorf("artifacts, %q: %+v", c.control, use)
		}
	}
	changed := kept(t, 200, "Cache-Control: max-age=600")
	changed.Invalid = true
	for _, m := range []Mode{Artifacts, Forever, RFC9111} {
		if use := m.Judge(nil, changed, noon); use.Fresh || use.Standby != (m != RFC9111) {
			t.Errorf("%s: what was invalidated: %+v", m, use)
		}
	}
}

func TestStorableByRFC(t *testing.T) {
	for _, c := range []struct {
		status      int
		req, answer string
		want        bool
	}{
		{200, "", "", true},
		{201, "", "", false},
		{201, "", "Cache-Control: max-age=1", true},
		{206, "", "Cache-Control: max-age=1", false},
		{304, "", "Cache-Control: max-age=1", false},
		{302, "", "", false},
		{302, "", "Expires: 0", true},
		{503, "", "Cache-Control: s-maxage=1", true},
		{599, "", "Cache-Control: public", true},
		{200, "", "Cache-Control: private, max-age=1", false},
		{200, "", `Cache-Control: private="x", max-age=1`, true},
		{200, "", "Cache-Control: no-store, max-age=1", false},
		{200, "", "Cache-Control: no-store, max-age=1, must-understand", true},
		{599, "", "Cache-Control: no-store, max-age=1, must-understand", false},
		{200, "Authorization: Basic x", "Cache-Control: max-age=1", false},
		{200, "Authorization: Basic x", "Cache-Control: s-maxage=1", true},
		{200, "Authorization: Basic x", "Cache-Control: must-revalidate", true},
		{200, "", "CDN-Cache-Control: no-store", false},
		{200, "", "CDN-Cache-Control: private", false},
	} {
		req, answer := http.Header{}, http.Header{}
		if c.req != "" {
			req = header(c.req)
		}
		if c.answer != "" {
			answer = header(c.answer)
		}
		if keep := RFC9111.Storable(req, at(t, "/x"), c.status, answer); keep.OK != c.want || keep.Reason == "" {
			t.Errorf("%d %q asked with %q: %+v, want %v", c.status, c.answer, c.req, keep, c.want)
		}
	}
	both := header("Cache-Control: no-store", "CDN-Cache-Control: max-age=60")
	if keep := RFC9111.Storable(nil, at(t, "/x"), 200, both); !keep.OK {
		t.Errorf("a targeted field does not stand in: %+v", keep)
	}
	if keep := Artifacts.Storable(nil, at(t, "/x"), 200, both); keep.OK {
		t.Errorf("a targeted field is for builds: %+v", keep)
	}
}

func TestFieldsThatDirectivesName(t *testing.T) {
	h := KeptHeader(header(`Cache-Control: no-cache="a, B", private=c, max-age=1`, "A: 1", "B: 2", "C: 3", "D: 4"))
	if len(h) != 2 || h.Get("D") != "4" {
		t.Errorf("kept %v", h)
	}
}

func TestSelects(t *testing.T) {
	names := []string{"accept-language", "foo"}
	stored := Selected(names, header("Accept-Language: en, de", "Foo: 1,2"))
	answer := header("Content-Language: de")
	for _, c := range []struct {
		language, foo string
		want          bool
	}{
		{"en, de", "1, 2", true},
		{"dE ,  EN", " 1 ,2", true},
		{"en;q=1.0, de;q=1.00", "1,2", true},
		{"en, de;q=0.9", "1,2", false},
		{"fr;q=0.5, de", "1,2", true}, // it is in the language liked best
		{"fr;q=0.5, de", "1,3", false},
		{"fr, de", "1,2", false},
		{"", "1,2", false},
	} {
		if got := Selects(stored, answer, header("Accept-Language: "+c.language, "Foo: "+c.foo)); got != c.want {
			t.Errorf("%q, %q: %v", c.language, c.foo, got)
		}
	}
	if Selects(stored, http.Header{}, header("Accept-Language: de", "Foo: 1,2")) {
		t.Error("an answer in no language is liked best")
	}
	if !Selects(nil, nil, header("Foo: 1")) {
		t.Error("an answer that does not vary is not selected")
	}
}
