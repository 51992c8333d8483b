//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// h1 is a connection of HTTP/1.1, with the buffer of its answers.
type h1 struct {
	client *client
	conn   *tls.Conn
	used   int
	buf    []byte
}

func (k *h1) close() {
	if k.conn != nil {
		k.conn.Close()
		k.conn = nil
	}
}

// overH1 asks for one path after the other until there are no more.
func (c *client) overH1() {
	k := &h1{client: c, buf: make([]byte, 64<<10)}
	defer k.close()
	var waits []time.Duration
	var bytes int64
	requests := 0
	for {
		path, ok := c.take()
		if !ok {
			c.done(requests, bytes, waits, nil)
			return
		}
		n, wait, err := k.get(path)
		if err != nil {
			c.done(requests, bytes, waits, fmt.Errorf("%s: %w", path, err))
			return
		}
		requests++
		bytes += n
		waits = append(waits, wait)
	}
}

// idle opens the connections that stay.
func (c *client) idle() []*h1 {
	var all []*h1
	for range c.Idle {
		k := &h1{client: c, buf: make([]byte, 4<<10)}
		if _, _, err := k.get(c.Paths[0]); err != nil {
			c.failed = fmt.Errorf("connection %d: %w", len(all)+1, err)
			return all
		}
		all = append(all, k)
	}
	return all
}

func (k *h1) open() error {
	if every := k.client.AnewEvery; k.conn != nil && (every == 0 || k.used < every) {
		return nil
	}
	k.close()
	raw, err := k.client.dial()
	if err != nil {
		return err
	}
	k.conn = tls.Client(raw, k.client.tls)
	if err := k.conn.Handshake(); err != nil {
		raw.Close()
		k.conn = nil
		return err
	}
	k.used = 0
	return nil
}

// get asks for a path, and reads the answer to its end.
func (k *h1) get(path string) (size int64, wait time.Duration, err error) {
	resumable := k.client.Resume && k.conn != nil
	if err := k.open(); err != nil {
		return 0, 0, err
	}
	if resumable && k.used == 0 && !k.conn.ConnectionState().DidResume {
		return 0, 0, errors.New("it resumes no session")
	}
	k.used++
	began := time.Now()
	if _, err := k.conn.Write(append(append(append(k.buf[:0], "GET "...), path...), " HTTP/1.1\r\nHost: "+host+"\r\n\r\n"...)); err != nil {
		return 0, 0, err
	}
	n, head := 0, -1
	for head < 0 {
		more, err := k.conn.Read(k.buf[n:])
		if n += more; err != nil {
			return 0, 0, err
		}
		if head = bytes.Index(k.buf[:n], []byte("\r\n\r\n")); head < 0 && n == len(k.buf) {
			return 0, 0, errors.New("the head of an answer is too long")
		}
	}
	length, err := parseHead(k.buf[:head+2])
	if err != nil {
		return 0, 0, err
	}
	got := int64(n - head - 4)
	if got == 0 && length > 0 {
		n, err := k.conn.Read(k.buf)
		if got += int64(n); err != nil {
			return 0, 0, err
		}
	}
	wait = time.Since(began)
	for got < length {
		n, err := k.conn.Read(k.buf)
		if got += int64(n); err != nil && got < length {
			return 0, 0, fmt.Errorf("after %d of %d bytes: %w", got, length, err)
		}
	}
	if got > length {
		return 0, 0, io.ErrShortBuffer
	}
	return length, wait, nil
}

// parseHead gives the length of a body, which ends each of its lines with CRLF. Only
// what all contenders send is understood.
func parseHead(head []byte) (int64, error) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return 0, fmt.Errorf("answer %q", line)
	}
	const name = "content-length:"
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return strconv.ParseInt(string(bytes.TrimSpace(line[len(name):])), 10, 64)
		}
	}
	return 0, errors.New("an answer without a length")
}
