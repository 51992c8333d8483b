package store

import "os"

// absentDir holds an empty file for each host name that did not exist when a
// build asked, so that a run without network gives the same answer.
const absentDir = private + "/absent"

func absentName(host string) string {
	return absentDir + "/" + Key{Host: host, Target: "/"}.hostName()
}

// Absent tells whether a host name was last found not to exist.
func (s *Store) Absent(host string) bool {
	return s.anyLayer(absentName(host))
}

// NoteName remembers whether a host name exists. What cannot be written is
// asked again.
func (s *Store) NoteName(host string, exists bool) {
	if s.readOnly || len(host) > maxName {
		return
	}
	if exists {
		if s.Absent(host) {
			s.root.Remove(absentName(host))
		}
		return
	}
	if s.Absent(host) || s.root.MkdirAll(absentDir, 0o755) != nil {
		return
	}
	if f, err := s.root.OpenFile(absentName(host), os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
		f.Close()
	}
}
