package store

import "time"

// When an answer was last used is the time of its metadata's file: a file that
// only cachex touches, whatever reads, copies or searches the bodies, and however
// the file system is mounted (noatime). A user's own file has none, and is never
// removed for want of use.

// useGrain is how exact that is. A hit that finds the mark younger leaves it as
// it is, so that marking costs one write a day and nothing otherwise.
const useGrain = 24 * time.Hour

// always is when an answer was used that a user put there with header fields: it is
// never removed for want of use, and not counted as what could be. (A copy without
// times makes it an answer like others, until somebody looks into its metadata. Times
// after 2262 are none to os.Chtimes.)
func always() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }

// isAlways tells whether a time is that, as far as the file system has room for it:
// some end in 2038.
func isAlways(used, now time.Time) bool { return used.Sub(now) > 365*24*time.Hour }

// markUsed notes that an answer is being served. A directory that others own, or
// that can only be read, is not marked, and not tried again.
func (s *Store) markUsed(k Key, variant string, m *Meta, marked time.Time) {
	now := time.Now()
	if age := now.Sub(marked); age < useGrain && age > -useGrain || m.Mine || s.unmarked.Load() {
		return
	}
	if s.root.Chtimes(metaName(k, variant), time.Time{}, now) != nil {
		s.unmarked.Store(true)
	}
}
