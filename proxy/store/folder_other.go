//go:build !linux

package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// folder is an open folder of the directory.
type folder struct {
	file *os.File
	root *os.Root // the folder as well
}

// openFolder opens a folder beneath the directory.
func (s *Store) openFolder(name string) (*folder, error) {
	root, err := s.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	file, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	return &folder{file, root}, nil
}

func (f *folder) close() {
	f.file.Close()
	f.root.Close()
}

// listChunk is how many names are read at once.
const listChunk = 1024

// listBytes is for systems that read names into a buffer of ours.
const listBytes = 0

// each tells of all names, in the order in which the system has them, with the
// types of what they name.
func (f *folder) each(_ []byte, add func(name string, kind fs.FileMode)) error {
	for {
		entries, err := f.file.ReadDir(listChunk)
		for _, e := range entries {
			add(e.Name(), e.Type())
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// stat describes what has a name in the folder. A link is not followed.
func (f *folder) stat(name string) (fileInfo, error) {
	fi, err := f.root.Lstat(name)
	if err != nil {
		return fileInfo{}, err
	}
	return infoOf(fi), nil
}

// read reads a file of the folder. buf is for systems with cheaper files. What is
// larger than most is not read.
func (f *folder) read(name string, _ []byte, most int64) ([]byte, fileInfo, error) {
	file, err := f.root.OpenFile(name, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, fileInfo{}, err
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return nil, fileInfo{}, err
	}
	info := infoOf(fi)
	if !info.kind.IsRegular() || info.size > most {
		return nil, info, errDamaged
	}
	b := make([]byte, info.size)
	if _, err := io.ReadFull(file, b); err != nil {
		return nil, info, errDamaged
	}
	return b, info, nil
}

// unlink removes a file or a link of the folder.
func (f *folder) unlink(name string) error { return f.root.Remove(name) }

// link gives a file of the folder another name in it.
func (f *folder) link(from, to string) error { return f.root.Link(from, to) }

// ask is for systems that read ahead on request.
func (f *folder) ask(string, int64) {}

// isSlow is for systems that tell.
func (f *folder) isSlow() bool { return false }

func infoOf(fi fs.FileInfo) fileInfo {
	return fileInfo{kind: fi.Mode().Type(), size: fi.Size(), modTime: fi.ModTime()}
}
