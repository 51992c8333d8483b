package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestRecordWriter(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, smallRecord - 1, smallRecord, smallRecord + 1, 1 << 20} {
		want := bytes.Repeat([]byte("a line of a record\n"), size/19+1)[:size]
		var b bytes.Buffer
		w := &recordWriter{to: &b}
		for rest := want; len(rest) > 0; rest = rest[min(len(rest), 1000):] {
			if _, err := w.Write(rest[:min(len(rest), 1000)]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		packed := b.Len()
		r, err := zstd.NewReader(&b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d come back, %v", size, len(got), err)
		}
		if packed > size+16 || size > smallRecord && packed > size/20 {
			t.Errorf("%d bytes take %d", size, packed)
		}
	}
}
