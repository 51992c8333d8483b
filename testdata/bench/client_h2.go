//go:build linux

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Windows of HTTP/2, in bytes: what curl and browsers have, some MiB for a stream.
const (
	streamWindow = 4 << 20
	connWindow   = 64 << 20
)

// h2 is one connection of HTTP/2 with many streams.
type h2 struct {
	client *client
	framer *http2.Framer
	out    *bufio.Writer
	// read is what was received of the whole connection since a window update, and
	// streams what is under way, by number.
	read    uint32
	streams map[uint32]*stream
	last    uint32
	heads   *hpack.Decoder
	status  string

	requests int
	bytes    int64
	waits    []time.Duration
}

type stream struct {
	path  string
	began time.Time
	// read is what was received since a window update.
	read  uint32
	begun bool
}

// overH2 keeps as many streams under way as the task says until there are no more
// paths.
func (c *client) overH2() {
	k := &h2{client: c, streams: map[uint32]*stream{}}
	err := k.run()
	c.done(k.requests, k.bytes, k.waits, err)
}

func (k *h2) run() error {
	raw, err := k.client.dial()
	if err != nil {
		return err
	}
	defer raw.Close()
	config := k.client.tls.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	conn := tls.Client(raw, config)
	if err := conn.Handshake(); err != nil {
		return err
	}
	if p := conn.ConnectionState().NegotiatedProtocol; p != "h2" {
		return errors.New("it speaks no HTTP/2 to clients")
	}
	k.out = bufio.NewWriterSize(conn, 32<<10)
	k.framer = http2.NewFramer(k.out, bufio.NewReaderSize(conn, 64<<10))
	k.framer.SetReuseFrames()
	k.heads = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == ":status" {
			k.status = f.Value
		}
	})
	k.out.WriteString(http2.ClientPreface)
	k.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow}, http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	k.framer.WriteWindowUpdate(0, connWindow-65535) // RFC 9113, 6.9.2: a connection's window begins with 65535
	for range k.client.Conns {
		if err := k.ask(); err != nil {
			return err
		}
	}
	for len(k.streams) > 0 {
		if k.out.Buffered() > 0 {
			if err := k.out.Flush(); err != nil {
				return err
			}
		}
		frame, err := k.framer.ReadFrame()
		if err != nil {
			return err
		}
		if err := k.handle(frame); err != nil {
			return err
		}
	}
	return nil
}

// ask begins a stream, if there is another path to ask for.
func (k *h2) ask() error {
	path, ok := k.client.take()
	if !ok {
		return nil
	}
	k.last += 2
	id := k.last - 1
	var head bytes.Buffer
	e := hpack.NewEncoder(&head)
	e.SetMaxDynamicTableSizeLimit(0) // each head stands alone
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", path}} {
		e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	k.streams[id] = &stream{path: path, began: time.Now()}
	return k.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndStream: true, EndHeaders: true})
}

func (k *h2) handle(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return k.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return k.framer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		if f.ErrCode != http2.ErrCodeNo || f.LastStreamID < k.last-1 {
			return fmt.Errorf("it goes away: %v", f.ErrCode)
		}
	case *http2.RSTStreamFrame:
		return fmt.Errorf("a stream is reset: %v", f.ErrCode)
	case *http2.HeadersFrame:
		return k.head(f)
	case *http2.DataFrame:
		return k.data(f)
	}
	return nil
}

func (k *h2) head(f *http2.HeadersFrame) error {
	if !f.HeadersEnded() {
		return errors.New("the head of an answer is too long")
	}
	k.status = ""
	if _, err := k.heads.Write(f.HeaderBlockFragment()); err != nil {
		return err
	}
	if err := k.heads.Close(); err != nil {
		return err
	}
	if s := k.streams[f.StreamID]; s == nil || k.status != "200" {
		return fmt.Errorf("stream %d: answer %q", f.StreamID, k.status)
	}
	if f.StreamEnded() {
		return k.ended(f.StreamID)
	}
	return nil
}

func (k *h2) data(f *http2.DataFrame) error {
	s := k.streams[f.StreamID]
	if s == nil {
		return fmt.Errorf("data of stream %d, which is not under way", f.StreamID)
	}
	if n := len(f.Data()); n > 0 && !s.begun {
		s.begun = true
		k.waits = append(k.waits, time.Since(s.began))
	}
	k.bytes += int64(len(f.Data()))
	k.read += f.Length
	s.read += f.Length
	if k.read >= connWindow/2 {
		if err := k.framer.WriteWindowUpdate(0, k.read); err != nil {
			return err
		}
		k.read = 0
	}
	if f.StreamEnded() {
		return k.ended(f.StreamID)
	}
	if s.read >= streamWindow/2 {
		if err := k.framer.WriteWindowUpdate(f.StreamID, s.read); err != nil {
			return err
		}
		s.read = 0
	}
	return nil
}

func (k *h2) ended(id uint32) error {
	delete(k.streams, id)
	k.requests++
	return k.ask()
}
