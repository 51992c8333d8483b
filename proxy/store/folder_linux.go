package store

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// folder is an open folder of the directory. A walk opens hundreds of thousands,
// and takes the system calls as they are: an *os.File costs three more for each
// (fcntl, epoll_ctl, a second fstat), and an allocation for each name.
type folder struct {
	fd     int
	path   string
	others atomic.Bool // has files of others, which can't be opened without a mark of it
	slow   atomic.Bool // has files that are not in memory
}

// openFolder opens a folder beneath the directory (see open).
func (s *Store) openFolder(name string) (*folder, error) {
	fd, err := unix.Openat2(int(s.at.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
	switch {
	case err == nil:
		return &folder{fd: fd, path: name}, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, &fs.PathError{Op: "openat2", Path: name, Err: err}
	}
	f, err := s.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return nil, &fs.PathError{Op: "fcntl", Path: name, Err: err}
	}
	return &folder{fd: fd, path: name}, nil
}

func (f *folder) close() { unix.Close(f.fd) }

// listBytes is how much of a folder is read at once: some hundred names.
const listBytes = 32 << 10

// each tells of all names, in the order in which the kernel has them, with the
// types of what they name. space is for what is read, nil for new.
func (f *folder) each(space []byte, add func(name string, kind fs.FileMode)) error {
	buf := space
	if buf == nil {
		buf = make([]byte, listBytes)
	}
	for {
		n, err := unix.Getdents(f.fd, buf)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return &fs.PathError{Op: "getdents64", Path: f.path, Err: err}
		}
		if n == 0 {
			return nil
		}
		names := string(buf[:n]) // all in one piece
		for at := 0; at < n; {
			// getdents(2): inode (8), offset (8), length (2), type (1), name.
			const header = 19
			size := int(binary.NativeEndian.Uint16(buf[at+16:]))
			name, _, _ := strings.Cut(names[at+header:at+size], "\x00")
			kind := buf[at+header-1]
			at += size
			if name != "." && name != ".." {
				add(name, f.kind(name, kind))
			}
		}
	}
}

// kind is the type of a file by that of its entry. Some file systems tell none.
func (f *folder) kind(name string, entry byte) fs.FileMode {
	switch entry {
	case unix.DT_REG:
		return 0
	case unix.DT_DIR:
		return fs.ModeDir
	case unix.DT_LNK:
		return fs.ModeSymlink
	case unix.DT_UNKNOWN:
		if fi, err := f.stat(name); err == nil {
			return fi.kind
		}
	}
	return fs.ModeIrregular
}

// stat describes what has a name in the folder. A link is not followed.
func (f *folder) stat(name string) (fileInfo, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fileInfo{}, &fs.PathError{Op: "fstatat", Path: name, Err: err}
	}
	return infoOf(&st), nil
}

// read reads a file of the folder, of which buf may hold the beginning. A link is
// not followed, and what is larger than most is not read.
func (f *folder) read(name string, buf []byte, most int64) ([]byte, fileInfo, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | noWait
	// A time of access for each of a million files is a gigabyte to be written.
	fd, err := -1, error(syscall.EPERM)
	if !f.others.Load() {
		fd, err = unix.Openat(f.fd, name, flags|unix.O_NOATIME, 0)
	}
	if errors.Is(err, syscall.EPERM) {
		f.others.Store(true)
		fd, err = unix.Openat(f.fd, name, flags, 0)
	}
	if err != nil {
		return nil, fileInfo{}, &fs.PathError{Op: "openat", Path: name, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fileInfo{}, &fs.PathError{Op: "fstat", Path: name, Err: err}
	}
	fi := infoOf(&st)
	if !fi.kind.IsRegular() || fi.size > most {
		return nil, fi, errDamaged
	}
	b := buf
	if int64(cap(b)) < fi.size {
		b = make([]byte, fi.size)
	}
	b = b[:fi.size]
	flag := unix.RWF_NOWAIT
	for at := 0; at < len(b); {
		n, err := unix.Preadv2(fd, [][]byte{b[at:]}, int64(at), flag)
		if flag != 0 && err != nil {
			flag = 0 // it is on the disk, or the file system can't tell
			if errors.Is(err, syscall.EAGAIN) {
				f.slow.Store(true)
			}
			continue
		}
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return nil, fi, errDamaged
		}
		at += n
	}
	return b, fi, nil
}

// unlink removes a file or a link of the folder.
func (f *folder) unlink(name string) error {
	if err := unix.Unlinkat(f.fd, name, 0); err != nil {
		return &fs.PathError{Op: "unlinkat", Path: name, Err: err}
	}
	return nil
}

// link gives a file of the folder another name in it.
func (f *folder) link(from, to string) error {
	if err := unix.Linkat(f.fd, from, f.fd, to, 0); err != nil {
		return &os.LinkError{Op: "linkat", Old: from, New: to, Err: err}
	}
	return nil
}

// ask has the system read so much of a file ahead. One after the other, small files
// that are not in memory take the disk's latency each.
func (f *folder) ask(name string, length int64) {
	fd, err := unix.Openat(f.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|noWait, 0)
	if err != nil {
		return
	}
	_ = unix.Fadvise(fd, 0, length, unix.FADV_WILLNEED)
	unix.Close(fd)
}

// isSlow tells whether a file that was read since it was asked last was not in
// memory: then the next ones may be on the disk as well.
func (f *folder) isSlow() bool { return f != nil && f.slow.Load() && f.slow.Swap(false) }

func infoOf(st *unix.Stat_t) fileInfo {
	fi := fileInfo{size: st.Size, modTime: time.Unix(st.Mtim.Unix())}
	if st.Nlink > 1 {
		fi.linked = st.Ino
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		fi.kind = fs.ModeDir
	case unix.S_IFLNK:
		fi.kind = fs.ModeSymlink
	default:
		fi.kind = fs.ModeIrregular
	}
	return fi
}
