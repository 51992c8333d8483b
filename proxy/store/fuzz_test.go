package store

import (
	"archive/tar"
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// FuzzImport takes archives that anybody may have made: a metadata and an entry of
// given names, and any bytes. Nothing gets out of the directory, what is the
// user's own stays, and what was taken is sound: it verifies, and another directory
// gets the same from an export.
func FuzzImport(f *testing.F) {
	body := metaEntry("registry.example/a", "body", nil)
	status := metaEntry("registry.example/gone", "", func(m *Meta) { m.Status, m.SHA256 = 404, "" })
	f.Add("registry.example/a", "", byte(tar.TypeReg), []byte(body.body), []byte("body"), []byte(nil))
	f.Add("registry.example/gone", "404", byte(tar.TypeSymlink), []byte(status.body), []byte(nil), []byte(nil))
	f.Add("registry.example/a%~head", "", byte(tar.TypeReg), []byte(body.body), []byte(nil), []byte("raw"))
	f.Add("registry.example/both/%self", "", byte(tar.TypeReg), []byte(`{"url":"https://registry.example/both","status":200}`), []byte(nil), []byte(nil))
	f.Add("../../outside", "../outside", byte(tar.TypeLink), []byte("{}"), []byte("body"), []byte(nil))
	f.Add(gitDir+"/registry.example/r%.git/objects/pack/pack-a.pack", "/etc", byte(tar.TypeReg), []byte("{}"), []byte("PACK"), []byte(nil))
	f.Add(saltName, "", byte(tar.TypeReg), []byte("{}"), bytes.Repeat([]byte("s"), saltSize), []byte(nil))
	f.Fuzz(func(t *testing.T, name, link string, kind byte, meta, body, raw []byte) {
		parent := t.TempDir()
		r := &rig{openDir(t, filepath.Join(parent, "cache"), false), t, filepath.Join(parent, "cache")}
		r.write("registry.example/own", "mine")
		i := Importer{Kept: func(h http.Header) http.Header { return h }}
		_, _ = r.Import(bytes.NewReader(raw), i) // most are no archives
		_, _ = r.Import(rawArchive(name, link, kind, meta, body), i)

		if there, err := os.ReadDir(parent); err != nil || len(there) != 1 {
			t.Errorf("%v, %v beside the directory", there, err)
		}
		r.want("/own", found{status: 200, body: "mine", own: true})
		r.must(r.Verify(Verifier{Found: func(p Problem) error {
			t.Errorf("%+v", p)
			return nil
		}}))
		r.clean()
		var out bytes.Buffer
		r.must(r.Export(&out, Exporter{}))
		other := newRig(t)
		if _, err := other.Import(&out, i); err != nil {
			t.Fatal(err)
		}
		if a, b := walked(t, r.Store, ""), walked(t, other.Store, ""); !slices.Equal(a, b) {
			t.Errorf("exported %q, imported %q", a, b)
		}
	})
}

// rawArchive is an archive of what may be no entries at all.
func rawArchive(name, link string, kind byte, meta, body []byte) *bytes.Buffer {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(name, link string, kind byte, body []byte) {
		h := header(name, int64(len(body)), time.Unix(1, 0))
		if h.Typeflag, h.Linkname = kind, link; kind != tar.TypeReg {
			h.Size, body = 0, nil
		}
		if w.WriteHeader(h) == nil { // a name that tar can't have
			_, _ = w.Write(body)
		}
	}
	add(exportName, "", tar.TypeReg, []byte(`{"format":1}`))
	add(metaDir+"/"+name+metaExt, "", tar.TypeReg, meta)
	add(name, link, kind, body)
	add(exportName, "", tar.TypeReg, []byte(`{"format":1,"end":true}`))
	_ = w.Close()
	return &b
}
