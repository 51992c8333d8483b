package proxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// What is written in pieces arrives as it is, and all of it before the end.
func TestBatch(t *testing.T) {
	here, there := net.Pipe() // a write of which waits for who reads
	c := &conn{Conn: here, batch: newBatch(here, &buffers{})}
	got := make(chan []byte)
	go func() {
		b, err := io.ReadAll(there)
		if err != nil {
			t.Error(err)
		}
		got <- b
	}()
	random := rand.New(rand.NewPCG(3, 4))
	var want []byte
	for range 300 {
		p := make([]byte, random.IntN(3*len(buffer{})/(1+random.IntN(200))))
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		want = append(want, p...)
		if n, err := c.Write(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		clear(p) // the caller's again
	}
	c.SetWriteDeadline(time.Now()) // as crypto/tls does before Close
	c.Close()
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("%d bytes came, want %d", len(b), len(want))
	}
}

// A client that does not read, or is gone, holds nobody up for ever.
func TestBatchWithoutReader(t *testing.T) {
	here, there := net.Pipe()
	c := &conn{Conn: here, batch: newBatch(here, &buffers{})}
	failed := make(chan error)
	go func() {
		for {
			if _, err := c.Write(make([]byte, 10000)); err != nil {
				failed <- err
				return
			}
		}
	}()
	select {
	case err := <-failed:
		t.Fatal("it does not wait: ", err)
	case <-time.After(50 * time.Millisecond):
	}
	c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	var timeout net.Error
	if err := <-failed; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Error(err)
	}
	c.Close()
	there.Close()
}
