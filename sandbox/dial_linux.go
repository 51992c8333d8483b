package sandbox

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// A connection into the sandbox is opened by its first process, which is in the
// network namespace, and handed out over the link.
type (
	dial struct {
		ID   uint64
		Port uint16
	}
	// dialled comes with the connection's socket when Errno is 0.
	dialled struct {
		ID    uint64
		Errno syscall.Errno
	}
)

// dials are those that wait for their answer. The zero value has none.
type dials struct {
	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan<- dialAnswer
	ended   bool
}

type dialAnswer struct {
	socket *os.File
	err    error
}

// Dial connects to a port of the sandbox's loopback, 127.0.0.1 or else ::1. It
// works while Wait does; the error is a syscall.Errno, net.ErrClosed when the
// command has ended, or the context's.
func (s *Sandbox) Dial(ctx context.Context, port uint16) (*net.TCPConn, error) {
	answer := make(chan dialAnswer, 1)
	id, err := s.dials.add(answer)
	if err != nil {
		return nil, err
	}
	if err := s.link.send(toInit{Dial: &dial{ID: id, Port: port}}); err != nil {
		s.dials.take(id)
		return nil, net.ErrClosed
	}
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, a.err
		}
		defer a.socket.Close()
		c, err := net.FileConn(a.socket)
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	case <-ctx.Done():
		if s.dials.take(id) == nil { // the answer is there or about to be
			if a := <-answer; a.socket != nil {
				a.socket.Close()
			}
		}
		return nil, ctx.Err()
	}
}

func (d *dials) add(answer chan<- dialAnswer) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return 0, net.ErrClosed
	}
	if d.waiting == nil {
		d.waiting = map[uint64]chan<- dialAnswer{}
	}
	d.next++
	d.waiting[d.next] = answer
	return d.next, nil
}

// take removes one that waits; nil when it waits no more.
func (d *dials) take(id uint64) chan<- dialAnswer {
	d.mu.Lock()
	defer d.mu.Unlock()
	answer := d.waiting[id]
	delete(d.waiting, id)
	return answer
}

// answer passes on what init says.
func (d *dials) answer(m dialled, fds []int) {
	a := dialAnswer{}
	switch {
	case m.Errno != 0:
		a.err = m.Errno
	case len(fds) != 1:
		a.err = errors.New("no socket came")
	default:
		a.socket = os.NewFile(uintptr(fds[0]), "connection")
	}
	to := d.take(m.ID)
	if to == nil { // nobody waits any more
		if a.socket != nil {
			a.socket.Close()
		}
		return
	}
	to <- a
}

// end answers all that wait, and those to come.
func (d *dials) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	for id, to := range d.waiting {
		to <- dialAnswer{err: net.ErrClosed}
		delete(d.waiting, id)
	}
}

// dial is init's part.
func (p *first) dial(m dial) {
	c, err := dialLoopback(m.Port)
	if err == nil {
		defer c.Close()
		var raw syscall.RawConn
		if raw, err = c.SyscallConn(); err == nil {
			err = raw.Control(func(fd uintptr) {
				p.link.send(toParent{Dialled: &dialled{ID: m.ID}}, int(fd)) // fails when the parent is gone
			})
		}
	}
	if err != nil {
		errno := syscall.ECONNREFUSED
		errors.As(err, &errno)
		p.link.send(toParent{Dialled: &dialled{ID: m.ID, Errno: errno}}) // as above
	}
}

// dialLoopback tries both families, as clients do with "localhost".
func dialLoopback(port uint16) (*net.TCPConn, error) {
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)))
	if err == nil {
		return c, nil
	}
	if c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv6Loopback(), port))); err == nil {
		return c, nil
	}
	return nil, err
}
