package sandbox

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Client names the program that holds the other end of a connection to one of
// the listeners, such as "curl", or is "" when that cannot be told: the program
// may have closed it or have ended. It reads what /proc says of each process
// of the sandbox, which takes milliseconds.
func (s *Sandbox) Client(c net.Conn) string {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	socket := socketAt(s.pid, a.AddrPort())
	if socket == "" {
		return ""
	}
	pid := holder(s.net, socket)
	if pid == 0 {
		return ""
	}
	return programOf(pid)
}

// Own tells whether the other end of a connection from this machine is a program
// of the same user, as far as that can be told: without /proc, none is.
func (s *Sandbox) Own(c net.Conn) bool {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return false
	}
	f := entryAt(s.pid, a.AddrPort())
	return f != nil && f[7] == strconv.Itoa(os.Geteuid())
}

// socketAt is the socket that is bound to an address in a process's network
// namespace, as a link in /proc/PID/fd names it; "" when there is none that is
// still open.
func socketAt(pid int, a netip.AddrPort) string {
	if f := entryAt(pid, a); f != nil {
		return "socket:[" + f[9] + "]"
	}
	return ""
}

// entryAt is the entry of such a socket (proc_pid_net(5)), nil when there is none.
func entryAt(pid int, a netip.AddrPort) []string {
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	files := []string{"tcp", "tcp6"} // a socket of IPv6 may have an address of IPv4
	for _, name := range files {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, name))
		if err != nil {
			continue
		}
		local := []byte(" " + tableAddress(a, name == "tcp6") + " ")
		for line := range bytes.Lines(b) {
			if !bytes.Contains(line, local) {
				continue
			}
			f := strings.Fields(string(line))
			if len(f) > 9 && f[1] == string(bytes.TrimSpace(local)) && f[9] != "0" {
				return f
			}
		}
	}
	return nil
}

// tableAddress writes an address as the kernel's tables of sockets do: words in
// the machine's own order.
func tableAddress(a netip.AddrPort, six bool) string {
	bits := a.Addr().AsSlice()
	if six {
		b := a.Addr().As16()
		bits = b[:]
	}
	var out strings.Builder
	for word := range slices.Chunk(bits, 4) {
		fmt.Fprintf(&out, "%08X", binary.NativeEndian.Uint32(word))
	}
	fmt.Fprintf(&out, ":%04X", a.Port())
	return out.String()
}

// holder is the youngest process of a network namespace that has the socket open,
// 0 when there is none. (A server's children may have it as well.)
func holder(network, socket string) int {
	for _, pid := range slices.Backward(processes()) {
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil || ns != network {
			continue // another's process, or none any more
		}
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		open, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, fd := range open {
			if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && to == socket {
				return pid
			}
		}
	}
	return 0
}

// processes lists all processes that there are, the highest number last.
func processes() []int {
	entries, _ := os.ReadDir("/proc") // without it there are none
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// programOf is the name of a process's program, fit for a terminal.
func programOf(pid int) string {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	name := strings.TrimSuffix(filepath.Base(exe), " (deleted)")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
}
