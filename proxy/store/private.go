package store

import (
	"os"
	"path/filepath"
)

// PrivateDir makes a directory below .cachex that the store itself never looks
// into, and gives its absolute path. Errors are those of the file system.
func PrivateDir(cache, name string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(cache, private, name))
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}
