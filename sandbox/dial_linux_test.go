package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
)

// Connections into the sandbox: many at once, refused where nobody listens, and
// none after the end.
func TestDial(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Network{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	err = s.Start(Config{Path: exe, Args: []string{insideMark, "echo"}, Stdin: in, Stdout: w, Stderr: w})
	w.Close()
	in.Close()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan State)
	go func() {
		state, _ := s.Wait()
		ended <- state
	}()
	if b := make([]byte, 3); true {
		if _, err := io.ReadFull(r, b); string(b) != "up\n" {
			t.Fatalf("%q %v", b, err)
		}
	}
	if c, err := s.Dial(t.Context(), 81); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens there: %v %v", c, err)
	}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if err := echoed(t.Context(), s, fmt.Sprint("text ", i)); err != nil {
				t.Error(i, err)
			}
		})
	}
	all.Wait()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := s.Dial(cancelled, 80); err == nil {
		c.Close() // the answer was faster
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	hold.Close()
	if state := <-ended; state.Code != 0 || state.Signal != 0 {
		t.Errorf("%+v", state)
	}
	if c, err := s.Dial(t.Context(), 80); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v %v", c, err)
	}
}

func echoed(ctx context.Context, s *Sandbox, text string) error {
	c, err := s.Dial(ctx, 80)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	c.CloseWrite()
	b, err := io.ReadAll(c)
	if string(b) != text {
		err = errors.Join(err, fmt.Errorf("got %q", b))
	}
	return err
}

// echoInside serves until its standard input ends.
func echoInside() {
	l, err := net.Listen("tcp", "127.0.0.1:80")
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	fmt.Println("up")
	io.Copy(io.Discard, os.Stdin)
}
