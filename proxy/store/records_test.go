package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestRecords(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir, false)
	began := time.Date(2026, 11, 27, 0, 15, 30, 0, time.UTC)
	for i := range 5 {
		err := s.AddRecord(began.Add(time.Duration(i)*time.Hour), ".json", func(w io.Writer) error {
			_, err := w.Write([]byte{byte('0' + i)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddRecord(began, ".json", func(io.Writer) error { return os.ErrInvalid }); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a record that could not be written: %v", err)
	}
	// What others put there is no record.
	if err := os.WriteFile(filepath.Join(dir, recordsDir, "notes"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	names := s.Records()
	if len(names) != 5 {
		t.Fatalf("%v", names)
	}
	for i, n := range names {
		f, err := s.OpenRecord(n)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(b) != string(rune('4'-i)) {
			t.Errorf("%s: %s, %v", n, b, err)
		}
	}
	s.PruneRecords(3, began.Add(3*time.Hour))
	if left := s.Records(); len(left) != 2 || left[0] != names[0] || left[1] != names[1] {
		t.Errorf("left are %v", left)
	}
	if _, err := s.OpenRecord("../salt"); err == nil {
		t.Error("a name led elsewhere")
	}
	read := openDir(t, dir, true)
	if err := read.AddRecord(began, "", nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
}
