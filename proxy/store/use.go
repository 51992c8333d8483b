package store

import (
	"io/fs"
	"time"
)

// When an answer was last used is the time of its metadata's file: a file that
// only cachex touches, whatever reads, copies or searches the bodies, and however
// the file system is mounted (noatime). A user's own file has none, and is never
// removed for want of use.

// useGrain is how exact that is. A hit that finds the mark younger leaves it as
// it is, so that marking costs one write a day and nothing otherwise.
const useGrain = 24 * time.Hour

// markUsed notes that an answer is being served. A directory that others own, or
// that can only be read, is not marked, and not tried again.
func (s *Store) markUsed(k Key, variant string, meta fs.FileInfo) {
	now := time.Now()
	if age := now.Sub(meta.ModTime()); age < useGrain && age > -useGrain || s.unmarked.Load() {
		return
	}
	if s.root.Chtimes(metaName(k, variant), time.Time{}, now) != nil {
		s.unmarked.Store(true)
	}
}
