package store

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// open is os.Root.Open with one system call, openat2(2), where os.Root needs two
// for each folder on the way: a hit opens two files some five folders deep, and
// those calls were half of its time. The kernel keeps the same promise
// (RESOLVE_BENEATH), and what it refuses goes os.Root's way.
func (s *Store) open(name string) (*os.File, error) {
	fd, err := s.openAt(name)
	switch {
	case err == nil:
		return os.NewFile(uintptr(fd), name), nil
	case isMissing(err):
		return nil, err
	}
	// Another kernel (ENOSYS), a filter (EPERM), a rename on the way (EAGAIN), or
	// a link that leads out (EXDEV): os.Root knows what to do and to say.
	return s.root.OpenFile(name, os.O_RDONLY|noWait, 0)
}

func (s *Store) openAt(name string) (fd int, err error) {
	fd, err = unix.Openat2(int(s.at.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | noWait,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, &fs.PathError{Op: "openat2", Path: name, Err: err}
	}
	return fd, nil
}

// readFile reads a small file. What is no regular file, is larger or is being cut is
// damaged. An *os.File would take two more system calls (fcntl, epoll_ctl).
func (s *Store) readFile(name string, most int64) ([]byte, readState, error) {
	fd, err := s.openAt(name)
	if err != nil && isMissing(err) {
		return nil, readState{}, err
	}
	if err != nil {
		f, err := s.open(name)
		if err != nil {
			return nil, readState{}, err
		}
		return readOpened(f, most)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, readState{}, &fs.PathError{Op: "fstat", Path: name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size > most {
		return nil, readState{}, errDamaged
	}
	b := make([]byte, st.Size)
	for at := 0; at < len(b); {
		n, err := unix.Read(fd, b[at:])
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return nil, readState{}, errDamaged
		}
		at += n
	}
	return b, readState{time.Unix(st.Mtim.Unix()), stateIn(&st)}, nil
}

// openLock opens the file of a lock, and makes it if it is missing.
func (s *Store) openLock(name string) (*os.File, error) {
	fd, err := unix.Openat2(int(s.at.Fd()), name, &unix.OpenHow{
		Flags: unix.O_RDWR | unix.O_CREAT | unix.O_CLOEXEC, Mode: 0o600,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err == nil {
		return os.NewFile(uintptr(fd), name), nil
	}
	return s.root.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) // see open
}

// rmdir removes a folder if it is empty, and nothing else.
func (s *Store) rmdir(name string) error {
	f, err := s.openFolder(path.Dir(name))
	if err != nil {
		return err
	}
	defer f.close()
	return unix.Unlinkat(f.fd, path.Base(name), unix.AT_REMOVEDIR)
}
