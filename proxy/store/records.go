package store

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// recordsDir has one file for each run that left a record. What is in it is for
// those who write them: the store gives them names, in the order of time.
const recordsDir = private + "/runs"

// recordTime is how a record's name begins.
const recordTime = "20060102T150405.000Z"

// AddRecord keeps the record of a run that began at a time, whole or not at all.
// ext ends its name.
func (s *Store) AddRecord(began time.Time, ext string, write func(io.Writer) error) error {
	if s.readOnly {
		return ErrReadOnly
	}
	temp := tempDir + "/" + randomName()
	f, err := s.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	err = write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		name := began.UTC().Format(recordTime) + "-" + randomName()[:6] + ext
		err = s.renameInto(temp, recordsDir+"/"+name)
	}
	if err != nil {
		s.root.Remove(temp)
	}
	return err
}

// Records are the names of the records, the newest first.
func (s *Store) Records() []string {
	dir, err := s.root.Open(recordsDir)
	if err != nil {
		return nil // there are none
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // a part is as good
	names = slices.DeleteFunc(names, func(n string) bool { return recordBegan(n).IsZero() })
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(b, a) })
	return names
}

// recordBegan is when the run of a record began, the zero time for other files.
func recordBegan(name string) time.Time {
	t, err := time.Parse(recordTime, name[:min(len(name), len(recordTime))])
	if err != nil {
		return time.Time{}
	}
	return t
}

// OpenRecord opens a record to be read.
func (s *Store) OpenRecord(name string) (io.ReadCloser, error) {
	if strings.Contains(name, "/") {
		return nil, fs.ErrNotExist
	}
	f, err := s.root.Open(recordsDir + "/" + name)
	if err != nil {
		return nil, err
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, fs.ErrNotExist
	}
	return f, nil
}

// PruneRecords removes all records but so many, and those of runs that began
// before a time.
func (s *Store) PruneRecords(most int, before time.Time) {
	if s.readOnly {
		return
	}
	for i, n := range s.Records() {
		if i >= most || recordBegan(n).Before(before) {
			s.root.Remove(recordsDir + "/" + n) // one that stays is tried again
		}
	}
}
