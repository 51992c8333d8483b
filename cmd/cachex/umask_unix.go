//go:build unix

package main

import "syscall"

// setUmask does nothing when the mask is negative.
func setUmask(mask int) {
	if mask >= 0 {
		syscall.Umask(mask)
	}
}
