package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// Nobody answers a ping from elsewhere: who may send one is told at once that
// it can't be, and this machine does not answer for others. Loopback does.
func TestEchoes(t *testing.T) { expectSilence(t, "echoes") }

func echoesInside() {
	c, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
	if errors.Is(err, os.ErrPermission) {
		return // an ordinary user's programs cannot even try
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	// Type 8, code 0, checksum, identifier 1, sequence 1 (RFC 792).
	echo := []byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1}
	if _, err := c.WriteTo(echo, &net.IPAddr{IP: net.IPv4(203, 0, 113, 4)}); !errors.Is(err, os.ErrPermission) {
		fmt.Println("to elsewhere:", err)
	}
	if _, err := c.WriteTo(echo, &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		fmt.Println("to loopback:", err)
	}
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	b := make([]byte, 100)
	for range 2 { // the request is seen as well
		n, from, err := c.ReadFrom(b)
		if err != nil {
			fmt.Println("from loopback:", err)
		} else if from.String() != "127.0.0.1" {
			fmt.Printf("from %v: %v\n", from, b[:n])
		}
	}
}

// Multicast is heard by the build's own programs and by nobody else, and who
// asks into it (mDNS, SSDP) is neither refused nor answered.
func TestMulticast(t *testing.T) { expectSilence(t, "multicast") }

func multicastInside() {
	for _, group := range []string{"239.1.2.3:5000", "[ff15::1]:5000"} {
		a, err := net.ResolveUDPAddr("udp", group)
		if err != nil {
			fmt.Println(err)
			continue
		}
		l, err := net.ListenMulticastUDP("udp", nil, a)
		if err != nil {
			fmt.Println(group, "join:", err)
			continue
		}
		c, err := net.DialUDP("udp", nil, a)
		if err != nil {
			fmt.Println(group, "connect:", err)
			continue
		}
		if _, err := c.Write([]byte("hello")); err != nil {
			fmt.Println(group, "send:", err)
		}
		l.SetReadDeadline(time.Now().Add(2 * time.Second))
		b := make([]byte, 9)
		if n, _, err := l.ReadFrom(b); string(b[:n]) != "hello" {
			fmt.Println(group, "heard", string(b[:n]), err)
		}
		l.Close()
		// Nobody is in the group now.
		for range 2 { // a refusal would come with the second
			if _, err := c.Write([]byte("hello")); errors.Is(err, syscall.ECONNREFUSED) {
				fmt.Println(group, "to nobody:", err)
			}
		}
		c.Close()
	}
}
