//go:build !linux

package oci

import "errors"

// Exec fails: containers are Linux's.
func (Runtime) Exec([]string, []string, func(error)) error { return errors.ErrUnsupported }
