package proxy

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// FuzzSniff: whatever a connection begins with, finding out what it speaks takes
// nothing away from it, and what is said to be TLS or HTTP looks like that.
func FuzzSniff(f *testing.F) {
	for _, s := range []string{
		"", "G", "GET / HTTP/1.1\r\n", "CONNECT a:443 HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "M-SEARCH * HTTP/1.1\r\n",
		"GET http://a/ HTTP/1.0\r\n", "\x16\x03\x01\x00\x05", "\x16\x04", "\x16", "SSH-2.0-x\r\n", "EHLO a\r\n", "-X / ", "GETGETGETGETGETGETGETGETGETGET / ",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		client, server := net.Pipe()
		go func() {
			client.Write(sent)
			client.Close()
		}()
		defer server.Close()
		c := &conn{Conn: server}
		s, err := c.sniff(false)
		switch {
		case err != nil && len(sent) > 0:
			t.Errorf("%v", err)
		case s == speaksTLS && !bytes.HasPrefix(sent, []byte{0x16, 3}):
			t.Error("taken for TLS")
		case s == speaksHTTP && bytes.IndexByte(sent, ' ') < 3:
			t.Error("taken for HTTP")
		}
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("read back as %q, %v", got, err)
		}
	})
}

// BenchmarkSniff is what it takes to know what a connection speaks.
func BenchmarkSniff(b *testing.B) {
	for name, sent := range map[string]string{"TLS": "\x16\x03\x01\x02\x00", "HTTP": "GET /a/-/a-1.0.0.tgz HTTP/1.1\r\n", "other": "SSH-2.0-x\r\n"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c := &conn{Conn: &saying{text: sent}}
				if _, err := c.sniff(false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// saying is a connection whose client has said something.
type saying struct {
	net.Conn
	text string
}

func (s *saying) Read(b []byte) (int, error) {
	n := copy(b, s.text)
	if s.text = s.text[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (s *saying) SetReadDeadline(time.Time) error { return nil }
