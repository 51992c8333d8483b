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

// What os.Root does beneath the directory takes it two system calls for each
// folder on the way, of each name. Here the kernel goes the whole way at once, as
// in open: a miss took 290 system calls, and takes 100.

// openName opens what has a name, as it is: a link is not followed. The file is
// for fstat(2) and readlinkat(2) alone.
func (s *Store) openName(name string) (fd int, err error) {
	return unix.Openat2(int(s.at.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// isMissing tells whether an error says that nothing has a name. All others may be
// openat2's own: see open.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// lstat describes what has a name.
func (s *Store) lstat(name string) (fileInfo, error) {
	fd, err := s.openName(name)
	if err == nil {
		defer unix.Close(fd)
		var st unix.Stat_t
		if err = unix.Fstat(fd, &st); err == nil {
			return infoOf(&st), nil
		}
	}
	if isMissing(err) {
		return fileInfo{}, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	fi, err := s.root.Lstat(name)
	if err != nil {
		return fileInfo{}, err
	}
	return fileInfo{kind: fi.Mode().Type(), size: fi.Size(), modTime: fi.ModTime()}, nil
}

// readlink is what a link leads to.
func (s *Store) readlink(name string) (string, error) {
	fd, err := s.openName(name)
	if err == nil {
		defer unix.Close(fd)
		var b [256]byte
		n := 0
		n, err = unix.Readlinkat(fd, "", b[:])
		switch {
		case err == nil && n < len(b):
			return string(b[:n]), nil
		case errors.Is(err, fs.ErrNotExist):
			return "", &fs.PathError{Op: "readlink", Path: name, Err: syscall.EINVAL} // as readlink(2) says of what is no link
		}
	}
	if isMissing(err) {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return s.root.Readlink(name)
}

// rename gives a file another name, in place of what has that.
func (s *Store) rename(from, to string) error {
	source, err := s.openFolder(path.Dir(from))
	if err != nil {
		return err
	}
	defer source.close()
	target, err := s.openFolder(path.Dir(to))
	if err != nil {
		return err
	}
	defer target.close()
	if err := unix.Renameat(source.fd, path.Base(from), target.fd, path.Base(to)); err != nil {
		return &os.LinkError{Op: "renameat", Old: from, New: to, Err: err}
	}
	return nil
}

// mkdir makes one folder.
func (s *Store) mkdir(name string) error {
	parent, err := s.openFolder(path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.close()
	if err := unix.Mkdirat(parent.fd, path.Base(name), 0o755); err != nil {
		return &fs.PathError{Op: "mkdirat", Path: name, Err: err}
	}
	return nil
}

// writeTemp writes a temporary file, and gives its name.
func (s *Store) writeTemp(b []byte, modTime time.Time) (string, error) {
	dir, err := s.openFolder(tempDir)
	if err != nil {
		return "", err
	}
	defer dir.close()
	name := randomName()
	if err := dir.write(name, b, modTime); err != nil {
		return "", &fs.PathError{Op: "write", Path: tempDir + "/" + name, Err: err}
	}
	return tempDir + "/" + name, nil
}

// linkNew gives a file without a name one that nothing has.
func (s *Store) linkNew(fd int, name string) error {
	dir, err := s.openFolder(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.close()
	return unix.Linkat(unix.AT_FDCWD, nameOf(fd), dir.fd, path.Base(name), unix.AT_SYMLINK_FOLLOW)
}

// linkTemp gives a file without a name one in the temporary folder.
func (s *Store) linkTemp(fd int) (temp string, err error) {
	temp = tempDir + "/" + randomName()
	return temp, s.linkNew(fd, temp)
}
