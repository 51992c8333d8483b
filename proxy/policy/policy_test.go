package policy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestParseMode(t *testing.T) {
	for _, m := range []Mode{Artifacts, Forever, RFC9111} {
		if got, err := ParseMode(string(m)); err != nil || got != m {
			t.Errorf("%s is read as %q, %v", m, got, err)
		}
	}
	for _, s := range []string{"", "Artifacts", "artifact", "forever ", "none"} {
		if got, err := ParseMode(s); err == nil || got != "" {
			t.Errorf("%q is read as %q", s, got)
		}
	}
}

// header makes a header of "Name: value" lines.
func header(lines ...string) http.Header {
	h := http.Header{}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		h.Add(name, value)
	}
	return h
}

var (
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	noonFmt = noon.Format(http.TimeFormat)
)

// kept is an index that arrived at noon.
func kept(t *testing.T, status int, lines ...string) Answer {
	t.Helper()
	return Answer{URL: at(t, "/simple/a/"), Status: status, Header: header(lines...), Requested: noon, Received: noon}
}

// TestFreshness says for how many seconds after noon an answer is fresh.
func TestFreshness(t *testing.T) {
	date := "Date: " + noonFmt
	in := func(d time.Duration) string { return "Expires: " + noon.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		status int
		lines  []string
		want   int // seconds
	}{
		{200, nil, 0},
		{200, []string{date, "Last-Modified: Mon, 01 Jan 2001 00:00:00 GMT"}, 0}, // no heuristic
		{200, []string{"Cache-Control: max-age=60"}, 60},
		{200, []string{"Cache-Control: MAX-AGE=60"}, 60},
		{200, []string{`Cache-Control: public, max-age="60"`}, 60},
		{200, []string{`Cache-Control: x="a, max-age=9", max-age=60`}, 60},
		{200, []string{`Cache-Control: x="a\", max-age=9", max-age=60`}, 60},
		{200, []string{"Cache-Control: public", "Cache-Control: max-age=60"}, 60},
		{200, []string{"Cache-Control: max-age=60, max-age=9"}, 60},
		{200, []string{"Cache-Control: max-age=60, s-maxage=90"}, 90},
		{200, []string{"Cache-Control: s-maxage=0, max-age=60"}, 0},
		{200, []string{"Cache-Control: max-age=60, no-cache"}, 0},
		{200, []string{"Cache-Control: max-age=-1"}, 0},
		{200, []string{"Cache-Control: max-age=1.5"}, 0},
		{200, []string{"Cache-Control: max-age"}, 0},
		{200, []string{"Cache-Control: max-age=none", in(time.Minute)}, 0},
		{200, []string{"Cache-Control: max-age=99999999999999999999"}, 1 << 31},
		{200, []string{date, in(time.Minute)}, 60},
		{200, []string{in(time.Minute)}, 60},
		{200, []string{date, in(-time.Minute)}, 0},
		{200, []string{date, "Expires: 0"}, 0},
		{200, []string{date, in(time.Hour), "Cache-Control: max-age=60"}, 60},
		{200, []string{"Age: 20", "Cache-Control: max-age=60"}, 40},
		{200, []string{"Age: 90", "Cache-Control: max-age=60"}, 0},
		{200, []string{"Age: x", "Cache-Control: max-age=60"}, 60},
		{200, []string{"Date: " + noon.Add(-20*time.Second).Format(http.TimeFormat), "Cache-Control: max-age=60"}, 40},
		{200, []string{"Date: " + noon.Add(time.Hour).Format(http.TimeFormat), "Cache-Control: max-age=60"}, 60},
		{200, []string{"Date: Mon, 01 Jan 1601 00:00:00 GMT", "Cache-Control: max-age=60"}, 0},
		{301, nil, 0},
		{302, []string{"Cache-Control: max-age=60"}, 60},
		{401, nil, 0},
		{403, nil, 0},
		{404, nil, 600},
		{410, nil, 600},
		{404, []string{"Cache-Control: max-age=60"}, 60},
		{404, []string{"Cache-Control: no-cache"}, 0},
	} {
		a := kept(t, c.status, c.lines...)
		life := time.Duration(c.want) * time.Second
		for _, after := range []time.Duration{time.Millisecond, life - time.Second, life - 1, life, life + 1, 365 * 24 * time.Hour} {
			if after < time.Millisecond {
				continue
			}
			for _, m := range []Mode{"", Artifacts} {
				if use := m.Judge(nil, a, noon.Add(after)); use.Fresh != (after < life) || use.Reason == "" {
					t.Errorf("%d %q %v later: %+v, want %v of freshness", c.status, c.lines, after, use, life)
				}
			}
		}
	}
}

// The time that an answer was under way counts as its age.
func TestSlowAnswer(t *testing.T) {
	a := kept(t, 200, "Cache-Control: max-age=60", "Age: 10", "Date: "+noonFmt)
	a.Received = noon.Add(20 * time.Second)
	for after, want := range map[int]bool{49: true, 50: false} {
		if use := Artifacts.Judge(nil, a, noon.Add(time.Duration(after)*time.Second)); use.Fresh != want {
			t.Errorf("%d s after its request: %+v", after, use)
		}
	}
	// Clocks differ a little. Of one set back nobody knows how old things are.
	a.Received = noon
	for before, want := range map[time.Duration]bool{time.Second: true, time.Hour: false} {
		if use := Artifacts.Judge(nil, a, noon.Add(-before)); use.Fresh != want || !use.Standby {
			t.Errorf("%v before it arrived: %+v", before, use)
		}
	}
}

func TestClientAsksForFresh(t *testing.T) {
	a := kept(t, 200, "Cache-Control: max-age=60")
	now := noon.Add(10 * time.Second)
	for _, c := range []struct {
		line string
		want bool
	}{
		{"Accept: */*", true},
		{"Cache-Control: no-cache", false},
		{"Cache-Control: max-age=0", false},
		{"Cache-Control: max-age=10", false},
		{"Cache-Control: max-age=11", true},
		{"Cache-Control: max-age=x", false},
		{"Cache-Control: max-stale=600", true},
		{"Pragma: no-cache", false},
	} {
		req := header(c.line)
		if use := Artifacts.Judge(req, a, now); use.Fresh != c.want {
			t.Errorf("%s: %+v, want fresh %v", c.line, use, c.want)
		}
		// What never changes is never asked for again.
		never := a
		never.URL = at(t, "/a/-/a-1.0.0.tgz")
		if use := Artifacts.Judge(req, never, now); !use.Fresh || !strings.HasPrefix(use.Reason, "artifact") {
			t.Errorf("%s of an artifact: %+v", c.line, use)
		}
	}
	both := header("Cache-Control: max-stale=1", "Pragma: no-cache")
	if use := Artifacts.Judge(both, a, now); !use.Fresh {
		t.Errorf("Pragma counts beside Cache-Control: %+v", use)
	}
}

func TestModes(t *testing.T) {
	late := noon.Add(10 * 365 * 24 * time.Hour)
	for _, c := range []struct {
		path                        string
		status                      int
		artifacts, forever, rfc9111 bool
	}{
		{"/a/-/a-1.0.0.tgz", 200, true, true, false},
		{"/a/-/a-1.0.0.tgz", 302, true, true, false},
		{"/a/-/a-1.0.0.tgz", 404, false, false, false},
		{"/simple/a/", 200, false, true, false},
		{"/simple/a", 301, false, true, false},
		{"/simple/a/", 404, false, false, false},
	} {
		a := kept(t, c.status)
		a.URL = at(t, c.path)
		for m, want := range map[Mode]bool{"": c.artifacts, Artifacts: c.artifacts, Forever: c.forever, RFC9111: c.rfc9111} {
			if use := m.Judge(nil, a, late); use.Fresh != want {
				t.Errorf("%s %d under %q: %+v, want fresh %v", c.path, c.status, m, use, want)
			}
			own := Answer{URL: a.URL, Status: c.status, Own: true}
			if use := m.Judge(header("Cache-Control: no-cache"), own, late); !use.Fresh || use.Reason != "own file" {
				t.Errorf("a user's %s under %q: %+v", c.path, m, use)
			}
		}
	}
}

// FuzzJudge holds what is promised whatever servers and clients send.
func FuzzJudge(f *testing.F) {
	f.Add("/a/-/a-1.0.0.tgz", 200, "no-store", "Accept", "", "")
	f.Add("/simple/a/?token=s", 200, "private, max-age=60", "*", "Basic s", "10")
	f.Add("/simple/a/", 404, `max-age="6`, "accept, *", "", "99999999999999999999")
	f.Add("/commits/"+sha1hex+"/status", 206, "s-maxage=1,no-cache", "Authorization", "Bearer s", "Mon, 01 Jan 0001 00:00:00 GMT")
	f.Fuzz(func(t *testing.T, path string, status int, control, vary, auth, when string) {
		u, err := url.Parse("https://registry.example/" + strings.TrimPrefix(path, "/"))
		if err != nil {
			return
		}
		req, h := http.Header{}, http.Header{"Cache-Control": {control}, "Vary": {vary}, "Age": {when}, "Date": {when}, "Expires": {when}}
		if auth != "" {
			req.Set("Authorization", auth)
		}
		_, artifact := Artifact(u, status, h)
		cc := parse(h)
		for _, m := range []Mode{Artifacts, Forever, RFC9111} {
			keep := m.Storable(req, u, status, h)
			byRule := status == http.StatusOK && (m == Forever || m == Artifacts && artifact)
			switch {
			case keep.Reason == "":
				t.Errorf("%s: no reason", m)
			case !keep.OK:
			case status < 200 || status == 206 || status == 304:
				t.Errorf("%s keeps status %d", m, status)
			case m != RFC9111 && (status == 429 || status >= 500):
				t.Errorf("%s keeps status %d", m, status)
			case vary == "*":
				t.Errorf("%s keeps Vary: *", m)
			case cc.has("no-store") && !byRule && !(m == RFC9111 && cc.has("must-understand")):
				t.Errorf("%s keeps %q of %s", m, control, u)
			case cc.has("private") && auth != "" && !byRule:
				t.Errorf("%s keeps the private answer of %s to %q", m, u, auth)
			}
			checkUse(t, m, req, Answer{URL: u, Status: status, Header: h, Requested: noon, Received: noon}, artifact)
		}
		for _, name := range Artifacts.Selecting(h) {
			if name == "authorization" || name == "*" || name != strings.ToLower(name) {
				t.Errorf("Vary %q selects by %q", vary, name)
			}
		}
		if v := Unsigned(u); IsSigned(v) || v.User != nil {
			t.Errorf("%s is still signed", v)
		}
	})
}

// checkUse holds that an answer only ages, and that nothing but the documented
// rules outlives its lifetime.
func checkUse(t *testing.T, m Mode, req http.Header, a Answer, artifact bool) {
	fresh := true
	for _, after := range []time.Duration{0, time.Second, time.Hour, 100 * 365 * 24 * time.Hour} {
		use := m.Judge(req, a, noon.Add(after))
		if use.Fresh && !fresh || use.Reason == "" {
			t.Errorf("%s after %v: %+v, and stale before", m, after, use)
		}
		fresh = use.Fresh
	}
	explicit := m == RFC9111 && a.Header.Get("CDN-Cache-Control") != "" || parse(a.Header).has("max-age") || parse(a.Header).has("s-maxage") || a.Header.Get("Expires") != ""
	forever := a.Status < 400 && (m == Forever || m == Artifacts && artifact)
	if fresh && !forever && !explicit {
		t.Errorf("%s: %d %v is fresh after a hundred years", m, a.Status, a.Header)
	}
}
