package lock

import (
	"errors"
	"strings"
	"testing"
)

const (
	sumA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sumB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func get(url string) Name { return Name{Method: "GET", URL: url} }

func text(t *testing.T, f *File) string {
	t.Helper()
	var b strings.Builder
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func parse(t *testing.T, s string) *File {
	t.Helper()
	f, err := Parse(strings.NewReader(s), "cachex.lock")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const example = `cachex lock 1
- - CONNECT tcp://db.example:5432 soft
` + sumA + ` 5 GET https://registry.example/a
` + sumB + ` 6 GET https://registry.example/a as=npm.install-v1
- - GET https://registry.example/a auth status=401
` + sumA + ` 5 GET https://registry.example/a accept-language:de;q=1,%20en%25
- - HEAD https://registry.example/a
- - GET https://registry.example/b status=404
- - GET https://registry.example/c status=302 to=https://files.example/c
- - POST https://registry.example/d soft
`

func TestFileIsWrittenAsItWasRead(t *testing.T) {
	f := parse(t, example)
	if got := f.Len(); got != 9 {
		t.Errorf("%d lines", got)
	}
	// In the order of URLs, methods and attributes.
	want := strings.Split(example, "\n")
	got := strings.Split(text(t, f), "\n")
	if len(got) != len(want) {
		t.Fatalf("got\n%s", text(t, f))
	}
	for _, line := range want[:len(want)-1] {
		if !strings.Contains("\n"+text(t, f), "\n"+line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if again := text(t, parse(t, text(t, f))); again != text(t, f) {
		t.Errorf("read again it is\n%s", again)
	}
	l, ok := f.Find(get("https://registry.example/a"), func(fields map[string]string) bool {
		return fields == nil || fields["accept-language"] == "de;q=1, en%"
	})
	if !ok || l.Fields["accept-language"] != "de;q=1, en%" {
		t.Errorf("found %v", l)
	}
	if l, ok := f.Find(Name{"GET", "https://registry.example/a", "", true}, func(map[string]string) bool { return true }); !ok || l.Status != 401 {
		t.Errorf("found %v", l)
	}
	if _, ok := f.Find(get("https://registry.example/e"), func(map[string]string) bool { return true }); ok {
		t.Error("found what is not there")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		text, want string
		is         error
	}{
		{"", "cachex.lock:1: not a lock", ErrForeign},
		{"hello\n", "cachex.lock:1: not a lock", ErrForeign},
		{"cachex lock 01\n", "cachex.lock:1: not a lock", ErrForeign},
		{"cachex lock 2\n", "cachex.lock:1: written by a newer version", ErrVersion},
		{"<<<<<<< HEAD\ncachex lock 1\n", "cachex.lock:1: a conflict", ErrConflict},
		{"cachex lock 1\n<<<<<<< HEAD\n", "cachex.lock:2: a conflict", ErrConflict},
		{"cachex lock 1\n\n=======\n", "cachex.lock:3: a conflict", ErrConflict},
		{"cachex lock 1\nabc\n", "cachex.lock:2: a line is", nil},
		{"cachex lock 1\nABC 5 GET https://a.example/\n", "cachex.lock:2: the digest", nil},
		{"cachex lock 1\n" + strings.ToUpper(sumA) + " 5 GET https://a.example/\n", "the digest", nil},
		{"cachex lock 1\n" + sumA + " 05 GET https://a.example/\n", "the size", nil},
		{"cachex lock 1\n" + sumA + " -5 GET https://a.example/\n", "the size", nil},
		{"cachex lock 1\n" + sumA + " 5 G=T https://a.example/\n", "the method", nil},
		{"cachex lock 1\n" + sumA + " 5 GET ftp://a.example/\n", "neither https nor http", nil},
		{"cachex lock 1\n" + sumA + " 5 GET https:///x\n", "the URL is none", nil},
		{"cachex lock 1\n" + sumA + " 5 GET https://u:p@a.example/\n", "password", nil},
		{"cachex lock 1\n" + sumA + " 5 GET https://a.example/ status=200\n", "other", nil},
		{"cachex lock 1\n" + sumA + " 5 GET https://a.example/ status=99\n", "the status", nil},
		{"cachex lock 1\n" + sumA + " 5 GET https://a.example/ status=404\n", "nobody compares", nil},
		{"cachex lock 1\n- - GET https://a.example/\n", "the digest is missing", nil},
		{"cachex lock 1\n" + sumA + " 5 GET https://a.example/ hard\n", `unknown attribute "hard"`, nil},
		{"cachex lock 1\n- - GET https://a.example/ to=https://b.example/ status=302\n", "in their order", nil},
		{"cachex lock 1\n" + sumA + " 5 GET https://a.example/\n" + sumB + " 5 GET https://a.example/\n", "cachex.lock:3: names the answer differently than line 2", ErrDisagree},
		{"cachex lock 1\n" + strings.Repeat("x", maxLine+1), "cachex.lock:2: the line is too long", nil},
	} {
		_, err := Parse(strings.NewReader(c.text), "cachex.lock")
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%.60q: %v", c.text, err)
		}
	}
	// What a merge of both sides leaves, and other line ends, are as good.
	f := parse(t, "cachex lock 1\r\n\r\n"+sumA+" 5 GET https://a.example/\r\n"+sumA+" 5 GET https://a.example/\r\n")
	if f.Len() != 1 {
		t.Errorf("%d lines", f.Len())
	}
}

func TestMerge(t *testing.T) {
	f := parse(t, "cachex lock 1\n"+sumA+" 5 GET https://a.example/1\n"+sumA+" 5 GET https://a.example/2\n- - GET https://a.example/3 soft\n")
	var r Recorder
	r.Record(Line{Name: get("https://a.example/2"), Status: 200, SHA256: sumB, Size: 6})
	r.Record(Line{Name: get("https://a.example/3"), Status: 200, SHA256: sumB, Size: 6})
	r.Record(Line{Name: get("https://a.example/4"), Status: 404})
	// The same name and another answer.
	r.Record(Line{Name: get("https://a.example/5"), Status: 404})
	r.Record(Line{Name: get("https://a.example/5"), Status: 200, SHA256: sumB, Size: 6})
	r.Record(Line{Name: get("https://a.example/5"), Status: 200, SHA256: sumB, Size: 6})
	// What could not be read again.
	for _, l := range []Line{
		{Name: Name{Method: "GET", URL: "https://a.example/a b"}, Status: 404},
		{Name: Name{Method: "G T", URL: "https://a.example/"}, Soft: true},
		{Name: Name{Method: "GET", URL: "https://u:p@a.example/"}, Status: 404},
		{Name: Name{Method: "GET", URL: "https://a.example/"}},
		{Name: get("https://a.example/"), Fields: map[string]string{"a b": "c"}, Status: 404},
	} {
		r.Record(l)
	}
	if m := r.MergeInto(f); m != (Merged{Added: 2, Changed: 1}) {
		t.Errorf("%+v", m)
	}
	want := "cachex lock 1\n" + sumA + " 5 GET https://a.example/1\n" + sumB + " 6 GET https://a.example/2\n" +
		"- - GET https://a.example/3 soft\n- - GET https://a.example/4 status=404\n- - GET https://a.example/5 soft\n"
	if got := text(t, f); got != want {
		t.Errorf("got\n%s", got)
	}
	if m := r.MergeInto(f); m != (Merged{}) {
		t.Errorf("the second time %+v", m)
	}
}

// What is read is written in one form, and that is read as the same.
func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("cachex lock 1\n" + sumA + " 5 GET https://a.example/%20?x=%zz as=a%25b x-y:\n")
	f.Add("cachex lock 1\r\n- - GET https://a.example/ status=301 to=//b.example/\n")
	f.Fuzz(func(t *testing.T, s string) {
		file, err := Parse(strings.NewReader(s), "f")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("no place in %q", err)
			}
			return
		}
		once := text(t, file)
		again, err := Parse(strings.NewReader(once), "f")
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, once)
		}
		if twice := text(t, again); twice != once || file.Len() != again.Len() {
			t.Errorf("written twice:\n%s\n%s", once, twice)
		}
	})
}
