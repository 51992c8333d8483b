package sandbox

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"reflect"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWire sends every kind of message, and what is left of it when it is cut.
func TestWire(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*link
	for i := range pair {
		if ends[i], err = newLink(pair[i]); err != nil {
			t.Fatal(err)
		}
		defer ends[i].close()
	}
	trees := private{Trees: []Tree{{Path: "/a", Empty: true}, {Path: "/b", Files: []File{
		{Name: "c", Mode: 0o755 | fs.ModeSetuid}, {Name: "d", Link: "c"}}}}, Sizes: []int{3, 0}, Daemons: []string{"/run/x"}}
	cases := []any{
		toInit{Setup: &setup{HostNet: "net:[1]", Kept: 1<<63 | 7, HostPorts: true, Without: Mounts, Rootless: true, Mappers: []string{"", "x"},
			Redirect: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80"), netip.MustParseAddrPort("[::1]:8080")}}},
		toInit{Place: &trees},
		toInit{Start: &start{Path: "/bin/\xff", Args: []string{"", "a\x00b"}, Env: []string{"A=\xff"}, Private: trees, HostPorts: &openPorts{V4: []uint16{65535}},
			Container: &Container{User: "1:2", Data: []byte{0, 255}, Terminal: true},
			Screen:    &screenShape{Size: unix.Winsize{Row: 24}, Termios: unix.Termios{Cc: [19]uint8{1, 18: 255}}, Streams: [3]bool{true, false, true}}}},
		toInit{Signal: syscall.SIGTERM}, toInit{IsStopped: true}, toInit{HostPorts: &openPorts{}}, toInit{Dial: &dial{}},
		toParent{Ready: &ready{TCP: 2, Net: "n", Unredirected: &failure{Step: "s", Errno: syscall.EPERM}}},
		toParent{Started: true}, toParent{Stopped: true}, toParent{StillStopped: true}, toParent{Dialled: &dialled{}},
		toParent{Exited: &exit{State: State{Code: -1, Signal: syscall.SIGKILL, Changed: []string{"/a"}, Missed: []uint16{1}}, Refused: []uint16{80, 443}}},
	}
	for _, sent := range cases {
		if err := ends[0].send(sent, int(os.Stderr.Fd())); err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(sent))
		fds, err := ends[1].receive(got.Interface())
		if err != nil || len(fds) != 1 {
			t.Fatalf("%+v: %d descriptors, %v", sent, len(fds), err)
		}
		unix.Close(fds[0])
		if !reflect.DeepEqual(got.Elem().Interface(), sent) {
			t.Errorf("sent %+v, got %+v", sent, got.Elem().Interface())
		}
		whole := encode(nil, reflect.ValueOf(sent))
		for n := range whole {
			w := wire{rest: whole[:n]}
			if w.decode(reflect.New(reflect.TypeOf(sent)).Elem()); !errors.Is(w.err, errCut) {
				t.Errorf("%+v: %d bytes of %d: %v", sent, n, len(whole), w.err)
			}
		}
	}
}
