package store

import "os"

// statIn describes what has a name in an open folder. A link is not followed.
func (s *Store) statIn(dir *os.File, name string) (fileInfo, error) {
	fi, err := os.Lstat(dir.Name() + string(os.PathSeparator) + name)
	if err != nil {
		return fileInfo{}, err
	}
	return fileInfo{kind: fi.Mode().Type(), size: fi.Size(), modTime: fi.ModTime()}, nil
}

// Owner is unknown here.
func Owner(string) int { return -1 }
