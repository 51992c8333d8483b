package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cachex/proxy/policy"
)

// wantState waits until exactly these are under way: METHOD URL: STATE, of which
// the end may be left out.
func wantState(t *testing.T, p *Proxy, want ...string) {
	t.Helper()
	var got []string
	for range 2000 {
		got = nil
		for _, l := range p.State() {
			got = append(got, l.Method+" "+l.URL+": "+l.State)
		}
		fits := len(got) == len(want)
		for i := range got {
			fits = fits && strings.HasPrefix(got[i], want[i])
		}
		if fits {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
}

func TestStateOfRequests(t *testing.T) {
	var failures atomic.Int64
	header, body, end := make(chan bool), make(chan bool), make(chan bool)
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/flaky-1.0.0.tgz" && failures.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		<-header
		w.Header().Set("Content-Length", "3000000")
		w.Write(make([]byte, 1_000_000))
		http.NewResponseController(w).Flush()
		<-body
		w.Write(make([]byte, 2_000_000))
		<-end
	})
	var late atomic.Int64 // what the clock is ahead
	r := newRig(t, origin, rigOptions{noH2: true, now: func() time.Time { return time.Now().Add(time.Duration(late.Load())) }})
	get := func(url string) {
		if a := r.get(url); a.err != nil || len(a.body) != 3_000_000 {
			t.Errorf("%s: %d bytes, %v", url, len(a.body), a.err)
		}
	}
	done := make(chan bool)
	url := "https://a.example/a-1.0.0.tgz?token=s3cret"
	go func() { get(url); done <- true }()
	const shown = "GET https://a.example/a-1.0.0.tgz: "
	wantState(t, r.proxy, shown+"waits for the server's answer")
	go func() { get(url); done <- true }()
	wantState(t, r.proxy, shown+"waits for the server's answer", shown+"another request fetches it: waits for the server's answer")
	header <- true
	wantState(t, r.proxy, shown+"body: 1.0 MB of 3.0 MB", shown+"another request fetches it: body: 1.0 MB of 3.0 MB")
	late.Store(int64(10 * time.Second))
	wantState(t, r.proxy, shown+"body: 1.0 MB of 3.0 MB, nothing for 10s", shown+"another request fetches it: body: 1.0 MB of 3.0 MB, nothing for 10s")
	body <- true
	end <- true
	<-done
	<-done
	wantState(t, r.proxy)

	// One that is asked for again.
	go func() { get("https://a.example/flaky-1.0.0.tgz"); done <- true }()
	const flaky = "GET https://a.example/flaky-1.0.0.tgz: "
	wantState(t, r.proxy, flaky+"waits 1s before it is asked for again: 503 Service Unavailable")
	wantState(t, r.proxy, flaky+"waits for the server's answer, asked 2 times")
	header <- true
	body <- true
	end <- true
	<-done
	// One that is passed on.
	go func() { r.do(http.MethodPost, "https://a.example/p", "x"); done <- true }()
	wantState(t, r.proxy, "POST https://a.example/p: waits for the server's answer")
	header <- true
	wantState(t, r.proxy, "POST https://a.example/p: is passed on as it comes: 200 OK")
	body <- true
	end <- true
	<-done
	wantState(t, r.proxy)
}

// With a lock, a tunnel, a client that goes: nothing is left.
func TestStateEnds(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cut" {
			w.Header().Set("Content-Length", "10")
			w.Write([]byte("x"))
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, "x")
	})
	r := newRig(t, origin, rigOptions{reach: Reach{Deny: mustHosts(t, "denied.example")},
		rules: policy.Rules{ruleFor(t, "passed.example", policy.Rule{Pass: true})}})
	for _, u := range []string{"https://a.example/a-1.0.0.tgz", "https://a.example/a-1.0.0.tgz", "https://a.example/cut", "https://denied.example/", "https://passed.example/x",
		"http://a.example/b"} {
		r.get(u)
	}
	r.do(http.MethodHead, "https://a.example/h", "")
	r.do(http.MethodGet, "https://a.example/part", "", "Range", "bytes=0-0")
	wantState(t, r.proxy)

	// A connection that is carried is there for as long as it is open.
	c, err := r.dial(t.Context(), "tcp", "ssh.example:22")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "\x00binary")
	wantState(t, r.proxy, "CONNECT tcp://198.18.0.1:22: is open: not HTTP")
	c.Close()
	wantState(t, r.proxy)
}

func mustHosts(t *testing.T, patterns ...string) Hosts {
	t.Helper()
	h, err := ParseHosts(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// BenchmarkLive is what it costs that a request can be looked at.
func BenchmarkLive(b *testing.B) {
	p := &Proxy{}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			x := &lively{method: "GET"}
			p.live.add(x)
			x.stage.leave()
			x.stage.words.Store(&sending)
			p.live.remove(x)
		}
	})
}
