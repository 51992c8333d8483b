//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMedianAndSpread(t *testing.T) {
	for _, c := range []struct {
		values         []float64
		median, spread float64
	}{
		{nil, 0, 0},
		{[]float64{7}, 7, 0},
		{[]float64{9, 1, 5}, 5, 0.8},
		{[]float64{4, 1, 2, 3}, 2.5, 0.6},
	} {
		if m, s := median(c.values), spread(c.values); m != c.median || s != c.spread {
			t.Errorf("%v: median %v, spread %v; want %v, %v", c.values, m, s, c.median, c.spread)
		}
	}
}

func TestSlope(t *testing.T) {
	if got := slope([]float64{0, 1, 2, 3}, []float64{5, 7, 9, 11}); got != 2 {
		t.Errorf("slope %v, want 2", got)
	}
	if got := slope([]float64{1}, []float64{5}); got != 0 {
		t.Errorf("slope of one point %v, want 0", got)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.934: "0.93", 9.994: "9.99", 12.34: "12.3", -12.34: "-12.3", 20780.4: "20780"} {
		if got := number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

// example has two loads, one of them compared with the other, and a contender that
// could not do the second.
func example() (*results, []load) {
	samples := func(v ...float64) (s []sample) {
		for _, v := range v {
			s = append(s, sample{Value: v, CPU: 2, answer: answer{Requests: 1000, ClientCPU: 1}, Peak: v})
		}
		return s
	}
	r := &results{Rounds: 3, Missing: []string{"mitmproxy: not here"}, Figures: []figure{
		{Load: "one", Unit: "1/s", Contender: limitName, Samples: samples(100, 110, 90)},
		{Load: "one", Unit: "1/s", Contender: cachexName, Samples: samples(80, 95, 99)},
		{Load: "one", Unit: "1/s", Contender: squidName, Samples: samples(50, 50, 50)},
		{Load: "two", Unit: "ms", Contender: limitName, Samples: samples(4)},
		{Load: "two", Unit: "ms", Contender: cachexName, Samples: samples(19)},
		{Load: "two", Unit: "ms", Contender: squidName, Failed: "it\ncannot"},
	}}
	return r, []load{
		{name: "one", unit: "1/s", bars: []bar{{of: limitName, least: 0.96}, {of: squidName, least: 1.3}, {of: mitmproxyName, least: 25}}},
		{name: "two", unit: "ms", less: true, bars: []bar{{of: limitName, added: true, most: 12}, {load: "one", most: 0.5}, {most: 20}}},
	}
}

func TestJudge(t *testing.T) {
	r, loads := example()
	type want struct {
		value         float64
		known, passed bool
	}
	for i, wants := range [][]want{
		{{0.95, true, false}, {1.9, true, true}, {0, false, false}},
		{{15, true, false}, {0.2, true, true}, {19, true, true}},
	} {
		for j, v := range r.judge(loads[i]) {
			if v.known != wants[j].known || v.passed != wants[j].passed || v.known && v.value != wants[j].value {
				t.Errorf("%s, bar %d: %+v, want %+v", loads[i].name, j, v, wants[j])
			}
		}
	}
}

func TestTable(t *testing.T) {
	r, loads := example()
	text := newTable(r, append(loads, load{name: "elsewhere"})).markdown()
	if strings.Contains(text, "| elsewhere |") {
		t.Errorf("a load without figures is shown")
	}
	for _, want := range []string{
		"| one | 1/s | 100 ±10 % | 95.0 ±10 % | 50.0 ±0 % | 0.95 | 1.90 |\n",
		"| two | ms | 4.00 | 19.0 | – | 4.75 | |\n",
		"| one | limit | at least 0.96 | 0.95 | below the bar |\n",
		"| one | mitmproxy | at least 25.0 | – | not measured |\n",
		"| two | limit | at most 12.0 | 15.0 ms more | below the bar |\n",
		"| two | “one” | at most 0.50 | 0.20 | passed |\n",
		"| one | 2000 | 1000 | 110 | 0 | 2000 | 1000 | 99 | 0 |",
		"- mitmproxy: not here\n- squid: two: it cannot\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	b, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	var again results
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&again); err != nil || again.figure("one", cachexName).median(value) != 95 {
		t.Errorf("read again: %v, %v", again.Figures, err)
	}
}

// TestMerge holds that what a run has measured itself comes first, and that another's
// figures are told as such.
func TestMerge(t *testing.T) {
	other, _ := example()
	other.Began = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	other.Soak = &soakResult{Requests: 7, MiB: []float64{20, 30}}
	b, err := other.encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "run.json")
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	r := &results{Figures: []figure{{Load: "one", Contender: cachexName, Samples: []sample{{Value: 1}}}}}
	if err := r.merge(file); err != nil {
		t.Fatal(err)
	}
	own, taken := r.figure("one", cachexName), r.figure("two", cachexName)
	if own.median(value) != 1 || own.Began != nil || taken.median(value) != 19 || taken.Began == nil || !taken.Began.Equal(other.Began) || r.Soak.Requests != 7 {
		t.Errorf("%+v, %+v, %+v", own, taken, r.Soak)
	}
	_, loads := example()
	if text := newTable(r, loads).markdown(); !strings.Contains(text, `| two \* | ms |`) || !strings.Contains(text, "2026-01-02 03:04") {
		t.Errorf("it does not say what another run has measured:\n%s", text)
	}
	r = &results{}
	if err := r.merge(file); err != nil || !r.Began.Equal(other.Began) || r.figure("two", cachexName).Began != nil {
		t.Errorf("a file shown again: %+v, %v", r, err)
	}
	if err := r.merge(file + "x"); err == nil {
		t.Error("no error for a file that is not there")
	}
}

// TestSVG holds that the picture is well-formed, and that bars are as long as figures
// are large.
func TestSVG(t *testing.T) {
	r, loads := example()
	loads[0].drawn = true
	picture := newTable(r, loads).svg()
	for _, want := range []string{`class="cachex" x="264" y="46" width="323.0"`, `class="squid" x="264" y="61" width="170.0"`, "95.0 1/s"} {
		if !bytes.Contains(picture, []byte(want)) {
			t.Errorf("no %s in\n%s", want, picture)
		}
	}
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestParseHead(t *testing.T) {
	n, err := parseHead([]byte("HTTP/1.1 200 OK\r\ncontent-type: x\r\nCONTENT-LENGTH:  12\r\n"))
	if n != 12 || err != nil {
		t.Errorf("%d, %v, want 12", n, err)
	}
	for _, head := range []string{"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n"} {
		if _, err := parseHead([]byte(head)); err == nil {
			t.Errorf("%q: no error", head)
		}
	}
}

// TestLoads holds that bars name what is there.
func TestLoads(t *testing.T) {
	all := allLoads(&options{seconds: 1, entries: 2000})
	names := map[string]bool{}
	for _, l := range all {
		if names[l.name] {
			t.Errorf("two loads are called %q", l.name)
		}
		names[l.name] = true
	}
	for _, l := range all {
		for _, b := range l.bars {
			if b.load != "" && !names[b.load] {
				t.Errorf("%s is compared with %q, which is no load", l.name, b.load)
			}
			if b.least == 0 && b.most == 0 {
				t.Errorf("%s has a bar without a figure", l.name)
			}
		}
	}
}
