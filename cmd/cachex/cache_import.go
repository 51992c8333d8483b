package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"cachex/proxy"
	"cachex/proxy/policy"
	"cachex/proxy/store"
)

const cacheImportLong = `Take what is in an archive that "cachex cache export" has written, from FILE or
standard input. What is here already and as new stays, and so do your own files.
Each file is taken as a whole, with the digest that it had, or not at all, so
that after an error (a full disk, an archive that was cut) the same command goes
on where it ended.

Nothing in an archive can lead out of the directory. But whoever made it says
what its URLs answer: take archives from those whom you trust.`

func newCacheImport(io streams) *cobra.Command {
	o := &cacheCommand{io: io}
	c := &cobra.Command{
		Use: "import [flags] [FILE|-]", Short: "Take what is in an archive",
		Long:    cacheImportLong + cacheSections("some of the archive was not taken, or "),
		Example: "  cachex cache import cache.tar.zst\n  cat cache.tar.zst | cachex cache import",
	}
	return o.command(c, cobra.MaximumNArgs(1), o.importFrom)
}

// shownSkips bounds what a hostile archive can fill a terminal with.
const shownSkips = 20

func (o *cacheCommand) importFrom(args []string) error {
	in := io.Reader(o.io.in)
	if len(args) == 1 && args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return &exitError{err, exitFailure, ""}
		}
		defer f.Close()
		in = f
	}
	archive, packed, err := decompress(in)
	if err != nil {
		return err
	}
	if packed != nil {
		defer packed.Close()
	}
	s, err := o.create()
	if err != nil {
		return err
	}
	defer s.Close()
	line, skipped := newProgress(o.io.err, "imported"), 0
	got, err := s.Import(archive, store.Importer{
		Kept: policy.KeptHeader, Private: proxy.Private, Added: line.add,
		Skip: func(name, reason string) {
			line.done()
			if skipped++; skipped <= shownSkips {
				fmt.Fprintf(o.io.err, "cachex: skipped %s: %s\n", shownName(name), reason)
			}
		},
	})
	line.done()
	if skipped > shownSkips {
		fmt.Fprintf(o.io.err, "cachex: skipped %s more\n", countOf(skipped-shownSkips, "file"))
	}
	if got.Taken+got.Here+got.Skipped > 0 {
		fmt.Fprintf(o.io.err, "cachex: imported %s, %s; %d were here already\n", countOf(got.Taken, "file"), humanize.Bytes(uint64(got.Bytes)), got.Here)
	}
	switch {
	case errors.Is(err, store.ErrNoExport), packed == nil && got == (store.Imported{}) && errors.Is(err, io.ErrUnexpectedEOF):
		return &exitError{store.ErrNoExport, exitFailure, "cachex cache export writes them; what tar has made of a cache directory, tar unpacks"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &exitError{fmt.Errorf("the archive ends too early: %w", err), exitFailure, "what was taken so far is whole; get the archive again"}
	case err != nil:
		return err
	case got.Skipped > 0:
		return &exitError{fmt.Errorf("%s of the archive were not taken", countOf(got.Skipped, "file")), exitFailure, "the lines above say why"}
	}
	return nil
}

// maxWindow bounds the memory that an archive can ask for. Export's is 4 MiB.
const maxWindow = 64 << 20

// decompress reads zstd, or a tar archive as it is. packed is nil then, else it is to
// be closed.
func decompress(in io.Reader) (archive io.Reader, packed *zstd.Decoder, err error) {
	b := bufio.NewReaderSize(in, 64<<10)
	magic, _ := b.Peek(4) // what is shorter is no archive, as will be seen
	if !bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return b, nil, nil
	}
	packed, err = zstd.NewReader(b, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(2))
	return packed, packed, err
}
