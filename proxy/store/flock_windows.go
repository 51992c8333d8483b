package store

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// noWait is nothing: there are no named pipes in folders here.
const noWait = 0

// flockFile takes an exclusive lock if nobody has one.
func flockFile(f *os.File) bool {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped)) == nil
}

// unlocked is false: nothing is followed here.
func unlocked(*os.File) bool { return false }

func sameDevice(_, _ fs.FileInfo) bool { return false }
