package store

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// createTemp opens a file without a name (open(2), O_TMPFILE), which the
// kernel removes when the last process that has it dies. Where the file system
// has none (network and some overlay file systems) it gets a name at once.
func (s *Store) createTemp() (*os.File, string, error) {
	f, err := s.root.OpenFile(tempDir, unix.O_TMPFILE|os.O_RDWR, 0o644)
	if err == nil {
		return f, "", nil
	}
	return s.createNamed()
}

// link gives the nameless file a name in the temporary folder.
func (w *Writer) link() error {
	dir, err := w.store.root.Open(tempDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	name := randomName()
	self := fmt.Sprintf("/proc/self/fd/%d", w.file.Fd())
	if err := unix.Linkat(unix.AT_FDCWD, self, int(dir.Fd()), name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return fmt.Errorf("name the temporary file: %w", err)
	}
	w.temp = tempDir + "/" + name
	return nil
}

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
