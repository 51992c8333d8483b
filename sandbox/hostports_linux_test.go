package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// The host's listeners are known with the families that they answer in.
func TestListening(t *testing.T) {
	for _, c := range []struct {
		network, at string
		v4, v6      bool
	}{
		{"tcp4", "127.0.0.1:0", true, false},
		{"tcp4", "0.0.0.0:0", true, false},
		{"tcp4", "127.0.0.2:0", false, false},
		{"tcp6", "[::1]:0", false, true},
		{"tcp6", "[::]:0", false, true}, // IPV6_V6ONLY
		{"tcp", "[::]:0", true, true},
	} {
		l, err := net.Listen(c.network, c.at)
		if err != nil {
			t.Fatal(err)
		}
		port := uint16(l.Addr().(*net.TCPAddr).Port)
		open, err := listening()
		if err != nil {
			t.Fatal(err)
		}
		if v4, v6 := slices.Contains(open.V4, port), slices.Contains(open.V6, port); v4 != c.v4 || v6 != c.v6 {
			t.Errorf("%s %s: IPv4 %v, IPv6 %v", c.network, c.at, v4, v6)
		}
		l.Close()
		if open, _ = listening(); slices.Contains(open.either(), port) {
			t.Errorf("%s is closed and still there", c.at)
		}
	}
}

// A port that opens and closes outside does so inside, and is refused, not
// reset, while it is closed.
func TestHostPortAppears(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	handle := func(c net.Conn) {
		dst, err := OriginalDst(c)
		switch {
		case err != nil:
			t.Error(err)
		case dst.String() == at: // as the proxy would carry it
			io.WriteString(c, "carried")
		case dst.Port() == 1: // the command asks for it
			if l, err = net.Listen("tcp", at); err != nil {
				t.Error(err)
			}
		case dst.Port() == 2:
			l.Close()
		}
	}
	_, port, _ := net.SplitHostPort(at)
	n, _ := strconv.Atoi(port)
	if out := runInsideOf(t, Network{HostPorts: []uint16{uint16(n)}}, []string{"appears", at}, handle); out != "" {
		t.Error(out)
	}
}

func appearsInside() {
	at := os.Args[2]
	control := func(port string) {
		c, err := net.Dial("tcp", "203.0.113.9:"+port)
		if err != nil {
			fmt.Println(err)
			return
		}
		io.Copy(io.Discard, c) // until it is done
		c.Close()
	}
	until := func(want error) {
		for range 1000 {
			c, err := net.Dial("tcp", at)
			if err == nil {
				io.Copy(io.Discard, c)
				c.Close()
			}
			if errors.Is(err, want) {
				return
			}
			time.Sleep(10 * time.Millisecond) // as loops that wait for a port do
		}
		fmt.Printf("%s never gave %v\n", at, want)
	}
	if c, err := net.Dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
		fmt.Println("while it is closed:", c, err)
	}
	control("1")
	until(nil)
	control("2")
	until(syscall.ECONNREFUSED)
}

// A client's port that was used for the same server a moment ago, and whose
// other end is in TIME-WAIT, works again.
func TestHostPortReused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().(*net.TCPAddr)
	handle := func(c net.Conn) {
		if dst, err := OriginalDst(c); err != nil || dst != at.AddrPort() {
			t.Errorf("arrived as %v, %v", dst, err)
		}
		io.WriteString(c, "carried") // and is closed from here
	}
	if out := runInsideOf(t, Network{HostPorts: []uint16{AllPorts}}, []string{"reused", at.String()}, handle); out != "" {
		t.Error(out)
	}
}

func reusedInside() {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40001}}
	for i := range 3 {
		c, err := d.Dial("tcp", os.Args[2])
		if err != nil {
			fmt.Println(i, err)
			return
		}
		if b, err := io.ReadAll(c); string(b) != "carried" || err != nil {
			fmt.Println(i, string(b), err)
		}
		c.Close()
	}
}

// Ports that cannot be the host's are said to be none.
func TestHostPortErrors(t *testing.T) {
	for _, n := range []Network{
		{HostPorts: []uint16{proxyPort}},
		{HostPorts: []uint16{80, dnsPort}},
		{HostPorts: []uint16{80}, OwnPorts: []uint16{8080, 80}},
	} {
		var step *StepError
		if s, err := New(t.Context(), n, nil, nil); !errors.As(err, &step) {
			t.Errorf("%+v: %v %v", n, s, err)
		}
	}
}
