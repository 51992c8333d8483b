package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// Partial is a body that another process is writing. Close it.
type Partial struct {
	Meta            // without what only a whole body has: Size, SHA256, ModTime
	Variant  string // under which it will be kept
	Length   int64  // announced, -1 when unknown
	File     *os.File
	lockFile *os.File
	said     []byte // the lock's file, as long as its writer has the lock
}

// published is the second line of a lock's file: where other processes of this
// machine find the body. A file without a name is reached through the process
// that has it open.
type published struct {
	PID     int     `json:"pid"`
	FD      uintptr `json:"fd"`
	Variant string  `json:"variant"`
	Length  int64   `json:"length"`
	Meta    Meta    `json:"meta"`
}

// Publish lets other processes that want the document read the body while it
// is being written. The writer must stay open until Unlock.
func (l *Lock) Publish(w *Writer, variant string, m *Meta, length int64) error {
	if l.file == nil {
		return nil
	}
	b, err := json.Marshal(published{os.Getpid(), w.file.Fd(), variant, length, *m})
	if err != nil {
		return err
	}
	b = append(b, '\n')
	l.published = w
	if _, err := l.file.WriteAt(b, l.covers); err != nil {
		return err
	}
	return l.file.Truncate(l.covers + int64(len(b))) // of an earlier document, if any
}

// tellKept writes the third line of a lock's file: that the published body is
// whole, and what it is. The kept file itself does not tell: it may be replaced
// or removed before those who follow look.
func (l *Lock) tellKept() {
	if l.published == nil || l.published.kept == nil {
		return
	}
	b, err := json.Marshal(l.published.kept)
	fi, serr := l.file.Stat()
	if err == nil && serr == nil {
		l.file.WriteAt(append(b, '\n'), fi.Size()) // or they fetch it themselves
	}
}

// kept reads that line.
func (p *Partial) kept() *Meta {
	b := make([]byte, 2*maxLock)
	n, _ := p.lockFile.ReadAt(b, 0) // a short file is the rule
	line, mine := bytes.CutPrefix(b[:n], p.said)
	var m Meta
	if !mine || json.Unmarshal(line, &m) != nil {
		return nil
	}
	return &m
}

// follow finds the body that the holder of a lock has published; nil when there
// is none that this process can read.
func (s *Store) follow(k Key, name string) *Partial {
	said, _, err := s.readFile(name, maxLock)
	if err != nil {
		return nil
	}
	at := publishedIn(said)
	if at == nil { // most are not: this is asked again and again
		return nil
	}
	lock, err := s.root.Open(name)
	if err != nil {
		return nil
	}
	p := s.openPublished(k, lock, said, at)
	if p == nil {
		lock.Close()
	}
	return p
}

// publishedIn is what a lock's file says of a body, nil for nothing.
func publishedIn(said []byte) *published {
	_, line, _ := bytes.Cut(said, []byte("\n"))
	at := new(published)
	if !bytes.HasSuffix(line, []byte("\n")) || json.Unmarshal(line, at) != nil {
		return nil
	}
	return at
}

func (s *Store) openPublished(k Key, lock *os.File, said []byte, at *published) *Partial {
	if at.Meta.URL != k.URL("https") && at.Meta.URL != k.URL("http") {
		return nil
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/fd/%d", at.PID, at.FD))
	if err != nil {
		return nil // another machine's, or another user's
	}
	p := &Partial{Meta: at.Meta, Variant: at.Variant, Length: at.Length, File: f, lockFile: lock, said: said}
	// Process ids are used again: what was opened must be a body of this
	// directory whose writer holds the lock still.
	if !s.inTemp(f) || p.ended() {
		f.Close()
		return nil
	}
	return p
}

// inTemp tells whether an open file is a regular one of the store's file
// system that has no name yet, or one in the temporary folder.
func (s *Store) inTemp(f *os.File) bool {
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return false
	}
	dir, err := s.root.Stat(tempDir)
	return err == nil && sameDevice(fi, dir)
}

// ended tells whether the writer has given its lock back, or has died. Then the
// next one may have the lock already, and with it the file.
func (p *Partial) ended() bool {
	if unlocked(p.lockFile) {
		return true
	}
	b := make([]byte, len(p.said))
	_, err := p.lockFile.ReadAt(b, 0)
	return err != nil || !bytes.Equal(b, p.said)
}

// Whole tells whether all bytes that were announced are there.
func (p *Partial) Whole() bool {
	fi, err := p.File.Stat()
	return err == nil && p.Length >= 0 && fi.Size() >= p.Length
}

// Ended tells whether no more will come. kept is then the body's metadata if it
// was kept, which means that the file holds all of it, else nil.
func (p *Partial) Ended() (ended bool, kept *Meta) {
	if !p.ended() {
		return false, nil
	}
	return true, p.kept()
}

// Close releases the file.
func (p *Partial) Close() {
	p.File.Close()
	p.lockFile.Close()
}
