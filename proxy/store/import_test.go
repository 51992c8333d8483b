package store

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// archiveOf makes an archive of entries, between the marks that each must have.
func archiveOf(t *testing.T, entries ...tarEntry) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	mark := []tarEntry{{name: exportName, body: `{"format":1}`}}
	for _, e := range slices.Concat(mark, entries, mark) {
		h := header(e.name, int64(len(e.body)), time.Unix(1, 0))
		if e.kind != 0 {
			h.Typeflag, h.Linkname = e.kind, e.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

type tarEntry struct {
	name, body string
	kind       byte // 0 is a file
	link       string
}

// metaEntry is the metadata of a body.
func metaEntry(name, body string, change func(*Meta)) tarEntry {
	k, variant, err := ParseName(name)
	if err != nil {
		panic(err)
	}
	m := metaOf(k, http.StatusOK)
	sum := map[string]string{"body": "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"}
	m.Size, m.SHA256 = int64(len(body)), sum[body]
	if change != nil {
		change(m)
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return tarEntry{name: metaName(k, variant), body: string(b)}
}

func importer(skipped *[]string) Importer {
	return Importer{
		Kept: func(h http.Header) http.Header {
			h.Del("Set-Cookie")
			return h
		},
		Private: func(v string) bool { return strings.HasPrefix(v, "auth-") },
		Skip:    func(name, reason string) { *skipped = append(*skipped, name+": "+reason) },
	}
}

// Whatever an archive has in it, nothing leaves the directory, nothing is half, and
// what is well-formed beside it is taken.
func TestHostileArchive(t *testing.T) {
	const a = "registry.example/a"
	for what, c := range map[string]struct {
		entries []tarEntry
		reason  string // of the one skip; "" is none
	}{
		"up":                 {[]tarEntry{{name: "../secret", body: "x"}}, "not the name"},
		"up from a host":     {[]tarEntry{{name: "registry.example/../../secret", body: "x"}}, "not the name"},
		"absolute":           {[]tarEntry{{name: "/secret", body: "x"}}, "not the name"},
		"a file at the top":  {[]tarEntry{{name: "notes", body: "x"}}, "not the name"},
		"not canonical":      {[]tarEntry{{name: "registry.example//a", body: "x"}}, "not the name"},
		"a lock":             {[]tarEntry{{name: locksDir + "/x", body: a}}, "no kind"},
		"a temporary file":   {[]tarEntry{{name: tempDir + "/x", body: "x"}}, "no kind"},
		"private and up":     {[]tarEntry{{name: private + "/../secret", body: "x"}}, "no kind"},
		"a name up":          {[]tarEntry{{name: absentDir + "/../../secret"}}, "no kind"},
		"metadata up":        {[]tarEntry{{name: metaDir + "/../../secret" + metaExt, body: "{}"}}, "not the name"},
		"git up":             {[]tarEntry{{name: gitDir + "/h/a%.git/../../secret", body: "x"}}, "no file of a git"},
		"git's alternates":   {[]tarEntry{{name: gitDir + "/h/a%.git/objects/info/alternates", body: "/etc"}}, "no file of a git"},
		"git's hooks":        {[]tarEntry{{name: gitDir + "/h/a%.git/hooks/post-checkout", body: "x"}}, "no file of a git"},
		"git of no name":     {[]tarEntry{{name: gitDir + "/../x%.git/refs/x", body: "x"}}, "no file of a git"},
		"a link out":         {[]tarEntry{{name: a, kind: tar.TypeSymlink, link: "/etc/passwd"}}, "no status code"},
		"a link up":          {[]tarEntry{{name: a, kind: tar.TypeSymlink, link: "../../secret"}}, "no status code"},
		"a hard link":        {[]tarEntry{{name: a, kind: tar.TypeLink, link: "/etc/passwd"}}, "neither"},
		"a device":           {[]tarEntry{{name: a, kind: tar.TypeChar}}, "neither"},
		"a pipe":             {[]tarEntry{{name: a, kind: tar.TypeFifo}}, "neither"},
		"a folder":           {[]tarEntry{{name: a, kind: tar.TypeDir}}, "neither"},
		"other bytes":        {[]tarEntry{metaEntry(a, "body", nil), {name: a, body: "BODY"}}, "its bytes"},
		"another size":       {[]tarEntry{metaEntry(a, "body", nil), {name: a, body: "body and more"}}, "its size"},
		"no digest":          {[]tarEntry{metaEntry(a, "body", func(m *Meta) { m.SHA256 = "" }), {name: a, body: "body"}}, "its bytes"},
		"an error's file":    {[]tarEntry{metaEntry(a, "body", func(m *Meta) { m.Status = 404 }), {name: a, body: "body"}}, "its size"},
		"another status":     {[]tarEntry{metaEntry(a, "", func(m *Meta) { m.Status = 404 }), {name: a, kind: tar.TypeSymlink, link: "503"}}, "damaged"},
		"no status":          {[]tarEntry{metaEntry(a, "body", func(m *Meta) { m.Status = 7 })}, "damaged"},
		"another URL":        {[]tarEntry{metaEntry(a, "body", func(m *Meta) { m.URL = "https://other.example/a" })}, "damaged"},
		"broken metadata":    {[]tarEntry{{name: metaDir + "/" + a + metaExt, body: "{"}}, "damaged"},
		"too much metadata":  {[]tarEntry{{name: metaDir + "/" + a + metaExt, body: strings.Repeat(" ", maxMeta+1)}}, "too much"},
		"metadata alone":     {[]tarEntry{metaEntry(a, "body", nil)}, "not in the archive"},
		"metadata of others": {[]tarEntry{metaEntry(a, "body", nil), {name: "registry.example/b", body: "body"}}, "not in the archive"},
		"a form alone":       {[]tarEntry{{name: a + variantOf + "json", body: "x"}}, "needs metadata"},
		"for credentials":    {[]tarEntry{metaEntry(a+"%~auth-1", "body", nil), {name: a + "%~auth-1", body: "body"}}, "for credentials"},
		"nothing wrong":      {[]tarEntry{metaEntry(a, "body", nil), {name: a, body: "body"}}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			out := outside(t)
			r := &rig{openDir(t, out+"/cache", false), t, out + "/cache"}
			good := []tarEntry{metaEntry("good.example/good", "body", func(m *Meta) { m.Header.Set("Set-Cookie", "x") }), {name: "good.example/good", body: "body"}}
			var skipped []string
			got, err := r.Import(archiveOf(t, append(c.entries, good...)...), importer(&skipped))
			if err != nil || len(skipped) != got.Skipped {
				t.Errorf("%+v, %v, skipped %q", got, err, skipped)
			}
			if said := strings.Join(skipped, "\n"); c.reason == "" && said != "" || !strings.Contains(said, c.reason) || strings.Contains(said, "good.example") {
				t.Errorf("skipped %q, want %q", said, c.reason)
			}
			e, err := r.Get(Key{Host: "good.example", Target: "/good"}, "")
			if err != nil || e.Own || e.Header.Get("Set-Cookie") != "" {
				t.Errorf("what is well-formed: %+v, %v", e, err)
			} else {
				e.Close()
			}
			if f := lookUp(r.Store, "/a"); c.reason != "" && f.miss == "" {
				t.Errorf("taken: %+v", f)
			}
			r.clean()
			if os.RemoveAll(r.dir) != nil {
				t.Error("there is something that can't be removed")
			}
			untouched(t, out)
		})
	}
}

// An archive that ends early, that has more than the disk, or is none, is an error.
// What came before is whole, and the rest comes with the next import.
func TestBrokenArchive(t *testing.T) {
	const a, b = "registry.example/a", "registry.example/b"
	whole := archiveOf(t, metaEntry(a, "body", nil), tarEntry{name: a, body: "body"}, metaEntry(b, "body", nil), tarEntry{name: b, body: "body"}).Bytes()
	for n := 1; n < len(whole)-1536; n += 511 { // what comes then is the last mark
		r := newRig(t)
		var skipped []string
		_, err := r.Import(bytes.NewReader(whole[:n]), importer(&skipped))
		if err == nil {
			t.Errorf("cut after %d bytes: no error", n)
		}
		for _, target := range []string{"/a", "/b"} {
			if f := lookUp(r.Store, target); f.own || f.miss == "" && f.body != "body" {
				t.Errorf("cut after %d bytes, %s: %+v", n, target, f)
			}
		}
		_, err = r.Import(bytes.NewReader(whole), importer(&skipped))
		r.must(err)
		r.want("/b", found{status: 200, body: "body"})
		r.clean()
	}
	r := newRig(t)
	var skipped []string
	_, err := r.Import(bytes.NewReader(bomb()), importer(&skipped))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("more than the disk has: %v", err)
	}
	for _, text := range []string{"", "text", strings.Repeat("text", 1000)} {
		if _, err := r.Import(strings.NewReader(text), importer(&skipped)); err == nil {
			t.Errorf("%.10q is an archive", text)
		}
	}
	if _, err := r.Import(bytes.NewReader(bytes.Replace(whole, []byte(`"format":1`), []byte(`"format":2`), 1)), importer(&skipped)); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("of a later version: %v", err)
	}
	r.clean()
}

// bomb is an archive whose one file announces all the bytes there are.
func bomb() []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(header(exportName, 12, time.Unix(1, 0)))
	io.WriteString(w, `{"format":1}`)
	w.WriteHeader(header("registry.example/a", 1<<60, time.Unix(1, 0)))
	return b.Bytes()
}

// What is here and newer, or a user's own, stays.
func TestImportKeepsTheNewer(t *testing.T) {
	const a = "registry.example/a"
	entries := func(received time.Time) *bytes.Buffer {
		return archiveOf(t, metaEntry(a, "body", func(m *Meta) { m.Received = received }), tarEntry{name: a, body: "body"})
	}
	r := newRig(t)
	r.put("/a", "newer")
	var skipped []string
	got, err := r.Import(entries(time.Now().Add(-time.Hour)), importer(&skipped))
	if r.must(err); got.Here != 1 || got.Taken != 0 {
		t.Errorf("an older one: %+v", got)
	}
	r.want("/a", found{status: 200, body: "newer"})
	got, err = r.Import(entries(time.Now().Add(time.Hour)), importer(&skipped))
	if r.must(err); got.Taken != 1 {
		t.Errorf("a newer one: %+v", got)
	}
	r.want("/a", found{status: 200, body: "body"})
	r.write(a, "mine now")
	_, err = r.Import(entries(time.Now().Add(2*time.Hour)), importer(&skipped))
	r.must(err)
	r.want("/a", found{status: 200, body: "mine now", own: true})
	if len(skipped) > 0 {
		t.Errorf("skipped %q", skipped)
	}
}
