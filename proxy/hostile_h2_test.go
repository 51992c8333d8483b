package proxy

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// flood is a client of HTTP/2 that behaves as none should.
type flood struct {
	t *testing.T
	c net.Conn
	*http2.Framer
	fields []byte // of a GET
}

// newFlood opens a connection on which HTTP/2 is spoken from the beginning.
func newFlood(t *testing.T, r *rig) *flood {
	t.Helper()
	c, err := r.dial(t.Context(), "tcp", "registry.example:80")
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(testPatience))
	io.WriteString(c, http2.ClientPreface)
	f := &flood{t: t, c: c, Framer: http2.NewFramer(c, c)}
	f.WriteSettings()
	f.fields = f.request("/flood-1.0.0.tgz")
	return f
}

type fieldBuffer []byte

func (b *fieldBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

func (f *flood) request(path string) []byte {
	var b fieldBuffer
	e := hpack.NewEncoder(&b)
	e.SetMaxDynamicTableSize(0) // so that the block is the same each time
	for _, h := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "registry.example"}, {":path", path}} {
		e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
	}
	return b
}

func (f *flood) get(stream uint32) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.fields, EndStream: true, EndHeaders: true})
}

// ends reads until the proxy closes the connection, or says that it will, or
// answers the last ping, which is as good: then it has survived.
func (f *flood) ends() {
	f.t.Helper()
	for {
		frame, err := f.ReadFrame()
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			f.t.Errorf("the proxy says nothing any more\n%s", goroutines())
		}
		if err != nil {
			return
		}
		if p, ok := frame.(*http2.PingFrame); ok && p.IsAck() && p.Data[0] == 'e' {
			return
		}
		if _, ok := frame.(*http2.GoAwayFrame); ok {
			return
		}
	}
}

// TestFloodsOfFrames does what has brought servers of HTTP/2 down. The proxy
// serves others all the while, and its memory stays.
func TestFloodsOfFrames(t *testing.T) {
	r, _ := strictRig(t)
	many := 20_000
	if testing.Short() {
		many = 5000
	}
	for what, do := range map[string]func(f *flood, i int) error{
		"rapid reset": func(f *flood, i int) error {
			f.get(uint32(2*i + 1))
			return f.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel)
		},
		"streams": func(f *flood, i int) error { return f.get(uint32(2*i + 1)) },
		"settings": func(f *flood, i int) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(i)})
		},
		"pings": func(f *flood, i int) error { return f.WritePing(false, [8]byte{1, byte(i)}) },
		"continuations": func(f *flood, i int) error {
			if i == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.fields})
			}
			return f.WriteContinuation(1, false, make([]byte, 1000))
		},
		"empty continuations": func(f *flood, i int) error {
			if i == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.fields})
			}
			return f.WriteContinuation(1, false, nil)
		},
		"window updates": func(f *flood, _ int) error { return f.WriteWindowUpdate(0, 1<<30) },
		"priorities": func(f *flood, i int) error {
			return f.WritePriority(uint32(2*i+1), http2.PriorityParam{StreamDep: uint32(2*i + 3)})
		},
		"empty data": func(f *flood, i int) error {
			if i == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.fields, EndHeaders: true})
			}
			return f.WriteData(1, false, nil)
		},
		"unknown frames": func(f *flood, i int) error { return f.WriteRawFrame(0xbe, 0, uint32(i), make([]byte, 100)) },
		"even streams":   func(f *flood, i int) error { return f.get(uint32(2*i + 2)) },
		"no preface": func(f *flood, i int) error {
			_, err := f.c.Write([]byte("PRI * HTTP/2.0\r\n\r\nno\r\n\r\n"))
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			before := heap()
			f := newFlood(t, r)
			f.t = t
			defer f.c.Close()
			read := make(chan struct{})
			go func() { // so that neither side waits for the other
				f.ends()
				close(read)
			}()
			for i := range many {
				if do(f, i) != nil {
					break // closed, as it should be
				}
			}
			f.WritePing(false, [8]byte{'e', 'n', 'd'})
			<-read
			if grown := heap() - before; grown > 64<<20 {
				t.Errorf("the heap has grown by %d MB", grown>>20)
			}
			r.stillServes(t)
		})
	}
}

// TestZeroWindows leaves a hundred large answers unread. Each may hold no more
// than its window, and others get theirs.
func TestZeroWindows(t *testing.T) {
	body := bytesFor("large", 8<<20)
	r, origin := strictRig(t)
	origin.answer = func(c net.Conn, target string) {
		if target == "/alive-1.0.0.tgz" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 16\r\n\r\n"+target)
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 8388608\r\n\r\n")
		c.Write(body)
	}
	before := heap()
	f := newFlood(t, r)
	defer f.c.Close()
	f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	for i := range 100 {
		f.fields = f.request("/large-1." + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ".0.tgz")
		if err := f.get(uint32(2*i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	headers := 0
	for headers < 100 {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := frame.(*http2.HeadersFrame); ok {
			headers++
		}
	}
	if grown := heap() - before; grown > 128<<20 {
		t.Errorf("the heap has grown by %d MB", grown>>20)
	}
	r.stillServes(t)
	f.WriteWindowUpdate(0, 1<<20)
	for i := range 10 { // one of them is read all the same
		f.WriteWindowUpdate(1, 1<<20-uint32(i))
	}
	f.WritePing(false, [8]byte{'e', 'n', 'd'})
	f.ends()
}
