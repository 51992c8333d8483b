//go:build unix

package store

import (
	"os"
	"syscall"
)

// Owner is the user id of whom a file or folder belongs to, -1 when unknown.
func Owner(path string) int {
	fi, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
