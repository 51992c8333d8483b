package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"cachex/proxy"
)

// requestLog is the file of --verbose. The zero value writes nothing.
type requestLog struct {
	path string

	mu   sync.Mutex
	file *os.File
	err  error // the first one of writing
}

// open opens the file, to be added to: several runs may write to one.
func (l *requestLog) open(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return &exitError{fmt.Errorf("write the log %s: %w", path, err), exitInternal, "name a file in a directory that you may write to"}
	}
	l.path, l.file = path, f
	return nil
}

// add writes the line of an exchange, in one piece and at once.
func (l *requestLog) add(x proxy.Exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return
	}
	if _, err := l.file.WriteString(logLine(x)); err != nil && l.err == nil {
		l.err = err
	}
}

// close ends the log, and says whether all of it was written.
func (l *requestLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if l.err != nil {
		err = l.err
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	if err != nil {
		return fmt.Errorf("the log %s is not whole: %w", l.path, err)
	}
	return nil
}
