package store

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// createTemp opens a file without a name (open(2), O_TMPFILE), which the
// kernel removes when the last process that has it dies. Where the file system
// has none (network and some overlay file systems) it gets a name at once.
func (s *Store) createTemp() (*os.File, string, error) {
	fd, err := unix.Openat2(int(s.at.Fd()), tempDir, &unix.OpenHow{ // see open
		Flags: unix.O_TMPFILE | unix.O_RDWR | unix.O_CLOEXEC, Mode: 0o644,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err == nil {
		return os.NewFile(uintptr(fd), tempDir), "", nil
	}
	if f, err := s.root.OpenFile(tempDir, unix.O_TMPFILE|os.O_RDWR, 0o644); err == nil {
		return f, "", nil
	}
	return s.createNamed()
}

// linkNew gives the file the name that it is to have, if nothing has that.
func (w *Writer) linkNew(name string) error { return w.store.linkNew(int(w.file.Fd()), name) }

// link gives the nameless file a name in the temporary folder.
func (w *Writer) link() error {
	temp, err := w.store.linkTemp(int(w.file.Fd()))
	if err != nil {
		return fmt.Errorf("name the temporary file: %w", err)
	}
	w.temp = temp
	return nil
}

// nameOf is the name that a file without one has for its own process.
func nameOf(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// freeBytes is the room that is left on a file system; a guess of plenty where that
// is not known.
func freeBytes(root *os.Root) int64 {
	dir, err := root.Open(".")
	if err != nil {
		return math.MaxInt64
	}
	defer dir.Close()
	var st unix.Statfs_t
	if unix.Fstatfs(int(dir.Fd()), &st) != nil || st.Bavail > math.MaxInt64/uint64(max(st.Bsize, 1)) {
		return math.MaxInt64
	}
	return int64(st.Bavail) * st.Bsize
}
