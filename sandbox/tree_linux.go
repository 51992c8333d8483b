package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// layer is a placed Tree: the directory that holds what differs from the
// host's, and what was in it at first.
type layer struct {
	path   string
	root   *os.Root
	placed map[string]fingerprint
}

// fingerprint tells whether a file was touched.
type fingerprint struct {
	inode   uint64
	size    int64
	written time.Time
	data    []byte // nil when unknown
}

func fingerprintOf(info fs.FileInfo, data []byte) fingerprint {
	p := fingerprint{size: info.Size(), written: info.ModTime(), data: data}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		p.inode = st.Ino
	}
	return p
}

// placeTree puts a private copy of a directory in its place: an overlay, or
// where the kernel refuses one, a real copy.
func placeTree(scratch string, t Tree) (layer, error) {
	l := layer{path: t.Path, placed: map[string]fingerprint{}}
	real, err := filepath.EvalSymlinks(t.Path)
	if err != nil {
		return l, err
	}
	upper, work := filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")
	for _, d := range []string{scratch, upper, work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return l, err
		}
	}
	if err := likeDir(upper, real); err != nil {
		return l, err
	}
	if l.root, err = os.OpenRoot(upper); err != nil {
		return l, err
	}
	for _, f := range t.Files {
		if err := l.place(real, f); err != nil {
			return l, err
		}
	}
	if t.Empty {
		return l, unix.Mount(upper, real, "", unix.MS_BIND, "")
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr", escaped(real), upper, work)
	overlay := unix.Mount("cachex", real, "overlay", unix.MS_NOSUID|unix.MS_NODEV, options)
	if overlay == nil {
		return l, nil
	}
	if err := l.copyRest(real); err != nil {
		return l, fmt.Errorf("overlay: %w; copy: %w", overlay, err)
	}
	return l, unix.Mount(upper, real, "", unix.MS_BIND, "")
}

// escaped makes a path one value of the overlay's options.
func escaped(path string) string {
	var b bytes.Buffer
	for _, c := range []byte(path) {
		if c == ':' || c == ',' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// likeDir gives a directory the mode and, where we may, the owner of another.
func likeDir(dir, model string) error {
	info, err := os.Stat(model)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = os.Chown(dir, int(st.Uid), int(st.Gid)) // an ordinary user may not
	}
	return os.Chmod(dir, info.Mode().Perm())
}

func (l *layer) place(real string, f File) error {
	if err := l.parents(real, filepath.Dir(f.Name)); err != nil {
		return err
	}
	if f.Link != "" {
		if err := l.root.Symlink(f.Link, f.Name); err != nil {
			return err
		}
	} else if err := l.write(f); err != nil {
		return err
	}
	info, err := l.root.Lstat(f.Name)
	if err != nil {
		return err
	}
	l.placed[f.Name] = fingerprintOf(info, f.Data)
	return nil
}

// write makes a file with its mode, whatever the umask is. (os.Root's Chmod takes
// fchmodat2(2), which filters of older containers don't know, or /proc.)
func (l *layer) write(f File) error {
	to, err := l.root.OpenFile(f.Name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, f.Mode)
	if err != nil {
		return err
	}
	_, err = to.Write(f.Data)
	if err == nil {
		err = to.Chmod(f.Mode)
	}
	if e := to.Close(); err == nil {
		err = e
	}
	return err
}

// parents makes the directories on the way to a file, like the host's where it
// has them.
func (l *layer) parents(real, dir string) error {
	if dir == "." {
		return nil
	}
	if err := l.parents(real, filepath.Dir(dir)); err != nil {
		return err
	}
	err := l.root.Mkdir(dir, 0o755)
	if os.IsExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(real, dir))
	if err != nil {
		return nil // it is ours alone
	}
	made, err := l.root.Open(dir)
	if err != nil {
		return err
	}
	defer made.Close()
	return made.Chmod(info.Mode().Perm())
}

// copyRest copies what the host has and the layer has not. Files that this user
// can't read are left out: they could not have been read in place either.
func (l *layer) copyRest(real string) error {
	return filepath.WalkDir(real, func(path string, d fs.DirEntry, err error) error {
		if os.IsPermission(err) {
			return nil
		}
		if err != nil || path == real {
			return err
		}
		name, err := filepath.Rel(real, path)
		if err != nil {
			return err
		}
		if _, ok := l.placed[name]; ok {
			return nil
		}
		switch {
		case d.IsDir():
			return l.parents(real, name)
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			if err := l.root.Symlink(target, name); err != nil {
				return err
			}
		case d.Type().IsRegular():
			if err := l.copyFile(path, name); err != nil && !os.IsPermission(err) {
				return err
			}
		}
		if info, err := l.root.Lstat(name); err == nil {
			l.placed[name] = fingerprintOf(info, nil)
		}
		return nil
	})
}

func (l *layer) copyFile(path, name string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := l.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if e := out.Close(); err == nil {
		err = e
	}
	return err
}

// changed tells whether anything in the layer is not as it was placed.
func (l *layer) changed() bool {
	seen := 0
	err := fs.WalkDir(l.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		was, ok := l.placed[name]
		if !ok || !l.same(name, info, was) {
			return fs.ErrExist
		}
		seen++
		return nil
	})
	return err != nil || seen != len(l.placed)
}

func (l *layer) same(name string, info fs.FileInfo, was fingerprint) bool {
	now := fingerprintOf(info, nil)
	if now.inode == was.inode && now.size == was.size && now.written.Equal(was.written) {
		return true
	}
	if was.data == nil || now.size != was.size {
		return false
	}
	b, err := l.root.ReadFile(name)
	return err == nil && bytes.Equal(b, was.data)
}
