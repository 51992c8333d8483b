package proxy

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"cachex/proxy/policy"
)

// jumping is a clock that somebody sets.
type jumping struct{ by atomic.Int64 }

func (j *jumping) now() time.Time                   { return time.Now().Add(time.Duration(j.by.Load())) }
func (j *jumping) jump(by time.Duration)            { j.by.Add(int64(by)) }
func (j *jumping) options(m policy.Mode) rigOptions { return rigOptions{mode: m, now: j.now} }

// TestClockSetBack: what was kept in the future is asked for again, once, and
// stands by when upstream fails.
func TestClockSetBack(t *testing.T) {
	for _, mode := range []policy.Mode{policy.Artifacts, policy.RFC9111} {
		version, down := "1", false
		origin := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if down {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header()["Date"] = nil // a server without a clock
			w.Header().Set("Etag", `"`+version+`"`)
			if req.Header.Get("If-None-Match") == `"`+version+`"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			io.WriteString(w, version)
		})
		var clock jumping
		r := newRig(t, origin, clock.options(mode))
		u := host + "/index"
		r.want(r.get(u), 200, "1", Miss)
		r.want(r.get(u), 200, "1", Hit)
		clock.jump(-365 * 24 * time.Hour)
		r.want(r.get(u), 200, "1", Revalidated)
		r.want(r.get(u), 200, "1", Hit)
		version = "2"
		clock.jump(-time.Hour)
		r.want(r.get(u), 200, "2", Miss)
		clock.jump(time.Hour)
		r.want(r.get(u), 200, "2", Revalidated)
		clock.jump(-time.Hour)
		down = true
		if mode == policy.Artifacts {
			r.want(r.get(u), 200, "2", Stale)
		}
		r.stop()
	}
}

// TestClockJumps: whatever the clock does, also while a body arrives, clients
// get what the origin holds, and an artifact is fetched once.
func TestClockJumps(t *testing.T) {
	var clock jumping
	jumps := []time.Duration{0, time.Second, -time.Second, time.Hour, -time.Hour, 400 * 24 * time.Hour, -400 * 24 * time.Hour, -60 * 365 * 24 * time.Hour, 60 * 365 * 24 * time.Hour}
	var version, asked atomic.Int64
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		v := fmt.Sprintf("%s %d ", req.URL.Path, version.Load())
		if req.URL.Path == "/a-1.0.0.tgz" {
			v = "artifact"
		}
		w.Header().Set("Cache-Control", "max-age=0")
		w.Header().Set("Content-Length", fmt.Sprint(2*len(v)))
		io.WriteString(w, v)
		http.NewResponseController(w).Flush()
		clock.jump(jumps[asked.Add(7)%int64(len(jumps))])
		io.WriteString(w, v)
	}), clock.options(policy.Artifacts))
	for i := range 200 {
		clock.jump(jumps[i%len(jumps)])
		version.Store(int64(i / 3))
		path := fmt.Sprintf("/index-%d", i%7)
		v := fmt.Sprintf("%s %d ", path, i/3)
		if a := r.get(host + path); a.body != v+v {
			t.Fatalf("request %d: %d %q, want %q", i, a.StatusCode, a.body, v+v)
		}
		r.last()
		if a := r.get(host + "/a-1.0.0.tgz"); a.body != "artifactartifact" {
			t.Fatalf("request %d: %d %q", i, a.StatusCode, a.body)
		}
		if x := r.last(); i > 0 && x.Outcome != Hit {
			t.Fatalf("request %d: the artifact is a %s (%s)", i, x.Outcome, x.Reason)
		}
	}
}
