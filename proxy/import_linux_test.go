package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cachex/proxy/store"
)

// TestImportOnFullDisk: a disk that is full in the middle of an import ends it with
// that error. What was taken is whole, nothing is left half, and with room again the
// same import goes on.
func TestImportOnFullDisk(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	small, from := mountSmall(t, "4m"), t.TempDir()
	full, err := store.Open(from, false)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	const documents, size = 8, 900_000
	body := func(i int) []byte { return bytesFor(fmt.Sprint(i), size) }
	for i := range documents {
		w, err := full.Create()
		if err != nil {
			t.Fatal(err)
		}
		w.Write(body(i))
		k := store.Key{Host: "registry.example", Target: fmt.Sprintf("/%d", i)}
		if err := w.Commit(k, "", &store.Meta{URL: k.URL("https"), Status: 200}); err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
	var archive bytes.Buffer
	if err := full.Export(&archive, store.Exporter{}); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(small, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := func(h http.Header) http.Header { return h }
	got, err := s.Import(bytes.NewReader(archive.Bytes()), store.Importer{Kept: kept})
	if !errors.Is(err, syscall.ENOSPC) || got.Taken == 0 || got.Taken == documents {
		t.Errorf("%+v, %v", got, err)
	}
	var wrong []string
	found := func(p store.Problem) error {
		wrong = append(wrong, p.Name+": "+p.Reason)
		return nil
	}
	if err := s.Verify(store.Verifier{Found: found}); err != nil || wrong != nil {
		t.Errorf("%v, %q", err, wrong)
	}
	if left, _ := os.ReadDir(filepath.Join(small, ".cachex/tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := unix.Mount("", small, "", unix.MS_REMOUNT, "size=20m"); err != nil {
		t.Fatal(err)
	}
	again, err := s.Import(strings.NewReader(archive.String()), store.Importer{Kept: kept})
	if err != nil || again.Taken != documents-got.Taken || again.Here != got.Taken {
		t.Errorf("with room: %+v, %v", again, err)
	}
	for i := range documents {
		if b, err := os.ReadFile(filepath.Join(small, "registry.example", fmt.Sprint(i))); err != nil || !bytes.Equal(b, body(i)) {
			t.Errorf("%d: %d bytes, %v", i, len(b), err)
		}
	}
}
