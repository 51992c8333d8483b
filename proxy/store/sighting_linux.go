package store

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileState is what tells one state of a file from another. The time of its last
// change (ctime) can't be set back.
type fileState struct {
	dev, ino         uint64
	size             int64
	modified, change unix.Timespec
}

// state describes what has a name, with one system call. Folders on the way may be
// links that lead out of the directory: all that is said of such a file is that it is
// another one.
func (s *Store) state(name string) (fileState, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(s.at.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fileState{}, &fs.PathError{Op: "fstatat", Path: name, Err: err}
	}
	return stateIn(&st), nil
}

func stateIn(st *unix.Stat_t) fileState {
	return fileState{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, modified: st.Mtim, change: st.Ctim}
}

// stateOf is the state of a file that is open.
func stateOf(fi fs.FileInfo) fileState {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fileState{}
	}
	return fileState{
		dev: uint64(st.Dev), ino: st.Ino, size: st.Size,
		modified: unix.Timespec(st.Mtim), change: unix.Timespec(st.Ctim),
	}
}
