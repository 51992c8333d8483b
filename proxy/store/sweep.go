package store

import "time"

// abandoned is the age at which a temporary file has no writer any more: who
// writes touches it, and nothing is silent for as long in a download.
const abandoned = 24 * time.Hour

// sweepTemp removes what killed processes left in the temporary folder. Most
// bodies have no name before they are whole; on file systems without nameless
// files they do, and would pile up.
func (s *Store) sweepTemp(now time.Time) {
	dir, err := s.root.Open(tempDir)
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // a part is swept as well as all
	for _, n := range names {
		fi, err := s.root.Lstat(tempDir + "/" + n)
		if err == nil && now.Sub(fi.ModTime()) > abandoned {
			s.root.RemoveAll(tempDir + "/" + n)
		}
	}
}
