package main

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

// recordWriter compresses a record, unless it is as small as that of a run that has
// asked for little: to give an encoder its memory takes a millisecond, and every run
// would wait for that at its end. Close it.
type recordWriter struct {
	to   io.Writer
	held []byte        // up to smallRecord, until there is an encoder
	zstd *zstd.Encoder // nil until the record is larger
}

const smallRecord = 8 << 10

func (w *recordWriter) Write(b []byte) (int, error) {
	if w.zstd == nil && len(w.held)+len(b) <= smallRecord {
		w.held = append(w.held, b...)
		return len(b), nil
	}
	if w.zstd == nil {
		var err error
		// The window is enough for lines that are alike: 20,000 of them come out as small
		// as with one of 4 MiB.
		w.zstd, err = zstd.NewWriter(w.to, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(256<<10))
		if err != nil {
			return 0, err
		}
		if _, err := w.zstd.Write(w.held); err != nil {
			return 0, err
		}
	}
	return w.zstd.Write(b)
}

// Close writes what is left.
func (w *recordWriter) Close() error {
	if w.zstd != nil {
		return w.zstd.Close()
	}
	// A frame of one block that is as it is (RFC 8878 section 3.1.1).
	head := zstd.Header{SingleSegment: true, HasFCS: true, FrameContentSize: uint64(len(w.held))}
	frame, err := head.AppendTo(nil)
	if err != nil {
		return err
	}
	const last, raw, size = 1, 0 << 1, 3
	block := len(w.held)<<size | raw | last
	frame = append(frame, byte(block), byte(block>>8), byte(block>>16))
	_, err = w.to.Write(append(frame, w.held...))
	return err
}
