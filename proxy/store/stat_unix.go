//go:build unix

package store

import (
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// statIn describes what has a name in an open folder. A link is not followed.
func (s *Store) statIn(dir *os.File, name string) (fileInfo, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fileInfo{}, &fs.PathError{Op: "fstatat", Path: name, Err: err}
	}
	fi := fileInfo{size: st.Size, modTime: time.Unix(st.Mtim.Unix())}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		fi.kind = fs.ModeDir
	case unix.S_IFLNK:
		fi.kind = fs.ModeSymlink
	default:
		fi.kind = fs.ModeIrregular
	}
	return fi, nil
}

// Owner is the user id of whom a file or folder belongs to, -1 when unknown.
func Owner(path string) int {
	fi, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
