// Package oci stands between a container engine and its OCI runtime, so that a
// container that a sandbox's command starts trusts what the command trusts.
//
// The engine (podman, buildah) is told of a runtime that is cachex. That one
// changes the container's config.json, and then becomes the real runtime. The
// trust stores of the container's root are mounted over by private copies, as in
// the sandbox itself; when the container is deleted, what its processes have changed
// in them goes back into the root, without the authority. So a layer made of it
// has what the build wrote, and nothing of cachex.
package oci

import "cachex/sandbox"

// Change is what a container is to have in place of its own.
type Change struct {
	// Trees are directories of its root, with files of their own.
	Trees []sandbox.Tree
	// Env are variables of its processes.
	Env []string
}

// FilesDir is where a container finds the files that Prepare has written: on the
// tmpfs that engines mount on /dev, in no layer.
const FilesDir = "/dev/cachex"

// Runtime is the one that engines are told of.
type Runtime struct {
	// Path is the real runtime's.
	Path string
	// Dir is where the copies are while their containers exist. The engine can
	// write to it.
	Dir string
	// Prepare says what a container must have, of which the root and the
	// environment are known. Files that it writes into dir are to be seen at FilesDir.
	Prepare func(root, dir string, env []string) (Change, error)
	// Environ puts Change.Env into the environment of a process.
	Environ func(env, change []string) []string
	// Without is a file's content without the authority; nil is no file at all.
	Without func(data []byte) (rest []byte, found bool)
}
