package oci

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"cachex/sandbox"
)

// privateCopy is a directory of a container's root as its processes see it.
type privateCopy struct {
	Tree   string // its path in the root
	Source string // where the copy is
	Placed map[string]print
	// Own are the files that the root does not have.
	Own []string
}

// print tells whether a file was touched.
type print struct {
	Mode    fs.FileMode
	Size    int64
	Written int64 // ns since 1970
	Inode   uint64
	UID     uint32
	GID     uint32
	Link    string `json:",omitempty"`
}

func printOf(path string, info fs.FileInfo) print {
	p := print{Mode: info.Mode(), Size: info.Size(), Written: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		p.Inode, p.UID, p.GID = st.Ino, st.Uid, st.Gid
	}
	switch {
	case p.Mode.IsDir():
		p.Size, p.Written = 0, 0 // they change with what is in them
	case p.Mode&fs.ModeSymlink != 0:
		p.Link, _ = os.Readlink(path) // "" when it has just gone
	}
	return p
}

// giver knows what is not to be given back.
type giver struct {
	own     []string // names of files that are cachex's in any of the copies
	without func([]byte) ([]byte, bool)
}

// copyTree copies a directory of the root and puts the files in place.
func copyTree(root, to string, t sandbox.Tree) (privateCopy, error) {
	k := privateCopy{Tree: t.Path, Source: to, Placed: map[string]print{}}
	from := filepath.Join(root, t.Path)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) && path != from {
			return nil // what the engine's own user may not read
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyOne(path, filepath.Join(to, name))
	})
	if err != nil {
		return k, err
	}
	for _, f := range t.Files {
		at := filepath.Join(to, f.Name)
		was, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			k.Own = append(k.Own, f.Name)
			if err := k.parents(path.Dir(f.Name)); err != nil {
				return k, err
			}
		} else if err != nil {
			return k, err
		} else if err := os.Remove(at); err != nil {
			return k, err
		}
		if f.Link != "" {
			err = os.Symlink(f.Link, at)
		} else if err = os.WriteFile(at, f.Data, f.Mode); err == nil {
			err = os.Chmod(at, f.Mode)
		}
		if err == nil && was != nil {
			err = like(at, was)
		}
		if err != nil {
			return k, err
		}
	}
	k.Placed, err = k.look()
	return k, err
}

// parents makes the directories of a file that the root has not.
func (k *privateCopy) parents(dir string) error {
	if dir == "." {
		return nil
	}
	if err := k.parents(path.Dir(dir)); err != nil {
		return err
	}
	err := os.Mkdir(filepath.Join(k.Source, dir), 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	k.Own = append(k.Own, dir)
	return err
}

// copyOne copies a file, a link or a directory without what is in it.
func copyOne(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		err = os.Mkdir(to, 0o700)
	case info.Mode()&fs.ModeSymlink != 0:
		var target string
		if target, err = os.Readlink(from); err == nil {
			err = os.Symlink(target, to)
		}
	case info.Mode().IsRegular():
		var b []byte
		if b, err = os.ReadFile(from); errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
	default:
		return nil // trust stores have none of these
	}
	if err != nil {
		return err
	}
	return like(to, info)
}

// like gives a file the owner, mode and times of another, as far as one may.
func like(at string, info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = os.Lchown(at, int(st.Uid), int(st.Gid))
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		if err := os.Chmod(at, info.Mode()); err != nil {
			return err
		}
	}
	t := unix.NsecToTimespec(info.ModTime().UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, at, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}

// look lists what is in the copy now.
func (k *privateCopy) look() (map[string]print, error) {
	found := map[string]print{}
	err := filepath.WalkDir(k.Source, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == k.Source {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(k.Source, path)
		if err == nil {
			found[name] = printOf(path, info)
		}
		return err
	})
	return found, err
}

// giveBack makes the root's directory what the copy is, but for what is the
// authority's: its files, links to them, and its certificate within others.
func (k *privateCopy) giveBack(root *os.Root, b giver) error {
	now, err := k.look()
	if err != nil {
		return err
	}
	dir, err := root.OpenRoot(k.Tree[1:])
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the container has removed what is above it
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	var errs error
	for name := range k.Placed {
		if _, ok := now[name]; !ok && !slices.Contains(k.Own, name) {
			errs = errors.Join(errs, dir.RemoveAll(name))
		}
	}
	hidden := slices.Clone(k.Own) // grows by the links that lead to what is not given
	names := make([]string, 0, len(now))
	for name := range now {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { // links last
		la, lb := now[a].Link != "", now[b].Link != ""
		switch {
		case la != lb && la:
			return 1
		case la != lb:
			return -1
		}
		return bytes.Compare([]byte(a), []byte(b))
	})
	for _, name := range names {
		if now[name] == k.Placed[name] {
			continue
		}
		given, err := k.give(dir, name, now[name], hidden, b)
		errs = errors.Join(errs, err)
		if !given {
			hidden = append(hidden, name)
		}
	}
	return errs
}

// give puts one file into the root's directory; it tells whether it has.
func (k *privateCopy) give(dir *os.Root, name string, p print, hidden []string, b giver) (bool, error) {
	at := filepath.Join(k.Source, name)
	info, err := os.Lstat(at)
	if err != nil {
		return false, err
	}
	switch {
	case p.Mode.IsDir():
		if slices.Contains(k.Own, name) {
			return false, nil // it comes with what is in it
		}
		err = dir.MkdirAll(name, p.Mode.Perm())
	case p.Link != "":
		target := path.Join(path.Dir(name), p.Link)
		if slices.Contains(hidden, target) || slices.Contains(b.own, path.Base(p.Link)) {
			return false, nil
		}
		if old, e := dir.Readlink(name); e == nil && old == p.Link {
			return true, nil // made anew, and the same: no change of a layer
		}
		if err = dir.Remove(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = dir.Symlink(p.Link, name)
		}
	case p.Mode.IsRegular():
		var data []byte
		if data, err = os.ReadFile(at); err != nil {
			return false, err
		}
		if data, _ = b.without(data); data == nil {
			return false, nil
		}
		if err = dir.MkdirAll(path.Dir(name), 0o755); err != nil {
			return false, err
		}
		if old, e := dir.ReadFile(name); e == nil && bytes.Equal(old, data) {
			return true, nil
		}
		if err = dir.Remove(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = dir.WriteFile(name, data, p.Mode.Perm())
		}
	default:
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, likeIn(dir, name, info)
}

func likeIn(dir *os.Root, name string, info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = dir.Lchown(name, int(st.Uid), int(st.Gid))
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	if info.IsDir() {
		return nil // its mode is that of Mkdir
	}
	f, err := dir.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chmod(info.Mode()); err != nil {
		return err
	}
	return dir.Chtimes(name, info.ModTime(), info.ModTime())
}
