package main

import (
	"errors"
	"os"
)

// inTemp makes something in the first directory for temporary files that takes
// it. A container with a read-only root often has /dev/shm alone.
func inTemp(make func(dir string) error) error {
	dirs := []string{os.TempDir(), os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm"}
	var errs error
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		err := make(dir)
		if err == nil {
			return nil
		}
		errs = errors.Join(errs, err) // the first is told
	}
	return &exitError{errs, exitInternal, "set TMPDIR to a directory that can be written to"}
}
