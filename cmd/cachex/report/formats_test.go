package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// reportOf is a report of a run with these exchanges, and with all that a head has.
func reportOf(t testing.TB, exchanges ...Exchange) *Report {
	t.Helper()
	a := NewAccount()
	for _, x := range exchanges {
		a.Add(x)
	}
	r := New(Run{
		Version: "1.2.3", Command: []string{"npm", "ci", `a "b" <c> & | ` + "`d`"}, Dir: "/src", Exit: 0,
		Started: time.Date(2026, 11, 27, 3, 4, 5, 678900000, time.UTC), MS: 5120, Sandbox: "netns", Rung: "user", Lacks: []string{"mounts"},
		Policy: "artifacts", Cache: "/cache", Lock: "cachex.lock", Frozen: true,
	}, a, nil)
	r.Exchanges = func(yield func(Exchange, error) bool) {
		for _, x := range exchanges {
			if !yield(x, nil) {
				return
			}
		}
	}
	r.Subjects = []Subject{{"app.tar.gz", hex64}}
	return r
}

// sample has a request of each kind, and some that are hard to write.
func sample() []Exchange {
	get := func(path, outcome, kind, sum string, bytes, network int64) Exchange {
		return Exchange{
			Method: "GET", URL: here + path, Outcome: outcome, Reason: "artifact: version in name", Status: 200, Bytes: bytes, Network: network,
			SHA256: sum, Type: kind, StartMS: 12, WaitMS: 3, MS: 7,
		}
	}
	list := []Exchange{
		get("/@s/a/-/a-1.0.0.tgz", Hit, "application/octet-stream", hex64, 5120, 0),
		get("/@s/a/-/a-1.0.0.tgz", Hit, "application/octet-stream", hex64, 5120, 0), // twice
		get("/@s/a", Miss, "application/json", hex64, 20, 20),
		get("/@s/a", Revalidated, "application/json", sum64, 30, 0), // has changed
		get("/files/a-1.0-py3-none-any.whl", Stale, "application/zip", hex64, 9, 0),
		get("/example.org/!m/@v/v1.2.3.zip", Miss, "application/zip", hex64, 9, 9),
		get("/example.org/!m/@v/v1.2.3.mod", Miss, "text/plain", sum64, 9, 9),
		get("/maven2/org/x/a/1.0/a-1.0.jar", Miss, "application/java-archive", hex64, 9, 9),
		get("/maven2/org/x/a/1.0/a-1.0.pom", Miss, "text/xml", sum64, 9, 9),
		get("/v2/library/a/manifests/latest", Miss, "application/vnd.oci.image.manifest.v1+json", hex64, 9, 9),
		get("/v2/library/a/blobs/sha256:"+hex64, Miss, "application/octet-stream", hex64, 9, 9),
		get("/o/r.git/info/refs?service=git-upload-pack", Miss, "application/x-git-upload-pack-advertisement", hex64, 9, 9),
		get("/live?a=1&b=%20|<x>", Pass, "text/event-stream; x", "", 9, 9),
		get("/%ff/"+strings.Repeat("long", 300), Pass, "un;known", "", 1<<40, 1<<40),
	}
	return append(list,
		Exchange{Method: "POST", URL: here + "/o/r.git/git-upload-pack", Outcome: Miss, Status: 200, Bytes: 99, SHA256: sum64, MS: 5},
		Exchange{Method: "HEAD", URL: here + "/head", Outcome: Miss, Status: 200, SHA256: hex64},
		Exchange{Method: "GET", URL: here + "/same", Outcome: Revalidated, Status: 304, SHA256: hex64},
		Exchange{Method: "GET", URL: here + "/none", Outcome: Miss, Status: 404, Bytes: 9, SHA256: hex64},
		Exchange{Method: "POST", URL: here + "/audit", Outcome: Pass, Reason: "a request that writes", Status: 200, Bytes: 5},
		Exchange{Method: "GET", URL: here + "/a`|<b>[c](d)*", Outcome: Refused, Cause: CauseOffline, Reason: "not in the cache", Status: 403, Bytes: 9, Accept: "text/x"},
		Exchange{Method: "GET", URL: "https://other.example/", Outcome: Error, Reason: "connection reset", MS: 1, WaitMS: 4},
		Exchange{Method: "CONNECT", URL: "tcp://registry.example:22", Outcome: Tunnel, Bytes: 100, Network: 100, MS: 40})
}

// sampleDownloads are how many of the sample are downloads that differ.
const sampleDownloads = 13

func inFormat(t testing.TB, write func(io.Writer, *Report) error, r *Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// moduleDir is where the files of a module are that go.mod names.
func moduleDir(t testing.TB, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("go list -m %s: %v", module, err)
	}
	return strings.TrimSpace(string(out))
}

// compileSchema reads JSON schemas: the last one, with those that it refers to.
func compileSchema(t testing.TB, files map[string]string, main string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for id, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if err := c.AddResource(id, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(main)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t testing.TB, s *jsonschema.Schema, document []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, document)
	}
}

// Each format gives what is read again, the same bytes each time, with no exchange
// too, and tells of a report that cannot be read to its end.
func TestEveryFormat(t *testing.T) {
	formats := Formats()
	if len(formats) < 6 {
		t.Fatalf("%d formats", len(formats))
	}
	for _, f := range formats {
		if f.Name == "" {
			t.Errorf("%+v", f)
		}
		r := reportOf(t, sample()...)
		first := inFormat(t, f.Write, r)
		if again := inFormat(t, f.Write, r); !bytes.Equal(first, again) {
			t.Errorf("%s: the same report has other bytes", f.Name)
		}
		isJSON := bytes.HasPrefix(first, []byte("{"))
		for _, b := range [][]byte{first, inFormat(t, f.Write, reportOf(t))} {
			if isJSON && !json.Valid(b) {
				t.Errorf("%s is no JSON:\n%s", f.Name, b)
			}
		}
		broken := reportOf(t, sample()...)
		whole := broken.Exchanges
		broken.Exchanges = func(yield func(Exchange, error) bool) {
			whole(yield)
			yield(Exchange{}, io.ErrUnexpectedEOF)
		}
		if err := f.Write(io.Discard, broken); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s of a damaged record: %v", f.Name, err)
		}
		if err := f.Write(fullDisk{}, r); !errors.Is(err, errFull) {
			t.Errorf("%s on a full disk: %v", f.Name, err)
		}
	}
}

type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestDownloads(t *testing.T) {
	parts, err := downloads(reportOf(t, sample()...))
	if err != nil || len(parts) != sampleDownloads {
		t.Fatalf("%d downloads, %v", len(parts), err)
	}
	ids := map[string]bool{}
	for _, p := range parts {
		ids[p.id()] = true
		for _, not := range []string{"/head", "/same", "/none", "/audit", "tcp:", "other.example"} {
			if strings.Contains(p.url, not) {
				t.Errorf("%s is no download", p.url)
			}
		}
	}
	if len(ids) != len(parts) {
		t.Errorf("%d names for %d downloads", len(ids), len(parts))
	}
	// Another order, as another run has it, changes nothing.
	turned := sample()
	slices.Reverse(turned)
	again, err := downloads(reportOf(t, turned...))
	if err != nil || len(again) != len(parts) {
		t.Fatalf("%d downloads, %v", len(again), err)
	}
	for i := range parts {
		if parts[i].url != again[i].url || parts[i].sha256 != again[i].sha256 {
			t.Errorf("%d: %v and %v", i, parts[i], again[i])
		}
	}
}

func TestLegalURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://registry.example/a%2fb?c=d&e=%zz|<f>":    "https://registry.example/a%2fb?c=d&e=%25zz%7C%3Cf%3E",
		"http://[2001:db8::1]:80/a[1]?b[]=\u00e9\\^`{}\"": "http://[2001:db8::1]:80/a%5B1%5D?b%5B%5D=%C3%A9%5C%5E%60%7B%7D%22",
		"tcp://[2001:db8::1]:22":                          "tcp://[2001:db8::1]:22",
		"https://registry.example?a=%2":                   "https://registry.example?a=%252",
		"a b":                                             "a%20b",
	} {
		if got := legalURL(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for want, words := range map[string][]string{
		"make -j2":              {"make", "-j2"},
		`sh -c 'it'\''s $1' ''`: {"sh", "-c", "it's $1", ""},
		"unknown command":       nil,
	} {
		if got := (&Report{Run: Run{Command: words}}).commandLine(); got != want {
			t.Errorf("%q: %s", words, got)
		}
	}
}

func TestDocumentLists(t *testing.T) {
	head := struct {
		A string   `json:"a"`
		L []string `json:"l"`
		B string   `json:"b"`
	}{`"l":[]`, []string{}, "<&>"}
	elements := func(yield func(any, error) bool) { _ = yield("x&y", nil) && yield(2, nil) }
	var b bytes.Buffer
	if err := writeDocument(&b, head, list{"l", elements}); err != nil || b.String() != `{"a":"\"l\":[]","l":[`+"\n\"x&y\",\n2\n"+`],"b":"<&>"}`+"\n" {
		t.Errorf("%v: %s", err, b.String())
	}
	if err := writeDocument(io.Discard, head, list{"m", elements}); err == nil {
		t.Error("a list that the head does not have is written")
	}
}

// many is a run of a large build: n requests at some hosts, of all ecosystems.
func many(n int) iter.Seq2[Exchange, error] {
	shapes := []struct{ path, kind string }{
		{"/@scope/package-%d/-/package-%d-1.%d.0.tgz", "application/octet-stream"},
		{"/packages/ab/cd/" + hex64[4:] + "/project_%d-1.%d.0-py3-none-any.whl?n=%d", "application/zip"},
		{"/example.org/owner/module%d/@v/v1.%d.%d.zip", "application/zip"},
		{"/maven2/org/example/a%d/1.%d/a%[1]d-1.%[2]d.jar?%[3]d", "application/java-archive"},
		{"/debian/pool/main/p/package%d/package%d_1.%d-1_amd64.deb", "application/vnd.debian.binary-package"},
		{"/package-%d?%d%d", "application/json"},
	}
	outcomes := []string{Hit, Hit, Hit, Miss, Revalidated}
	return func(yield func(Exchange, error) bool) {
		for i := range n {
			s := shapes[i%len(shapes)]
			x := Exchange{
				Method: "GET", URL: fmt.Sprintf("https://registry%d.example"+s.path, i%7, i, i, i), Outcome: outcomes[i%len(outcomes)],
				Reason: "artifact: version in name", Cause: CauseNew, Status: 200, Bytes: int64(i) * 17, SHA256: fmt.Sprintf("%064x", i), Type: s.kind,
				StartMS: int64(i), WaitMS: 12, MS: 34,
			}
			if x.Outcome == Miss {
				x.Network = x.Bytes
			}
			if !yield(x, nil) {
				return
			}
		}
	}
}

// BenchmarkFormats writes 20,000 exchanges; "bytes" is the size of the file.
func BenchmarkFormats(b *testing.B) {
	for _, f := range Formats() {
		b.Run(f.Name, func(b *testing.B) {
			r := reportOf(b)
			r.Exchanges = many(20_000)
			b.ReportAllocs()
			var n counter
			for b.Loop() {
				n = 0
				if err := f.Write(&n, r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n), "bytes")
		})
	}
}
