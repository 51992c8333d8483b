package sandbox

import (
	"math"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// The guard of an environment: a program that heeds no variable fails where it
// would go past the proxy (landlock(7)). Landlock knows ports and no addresses, so
// that what is refused is what the command's own servers don't use: the ports
// below 1024. UDP is not its affair.
const firstOpenPort = 1024

// guardNet is the version of Landlock that has rules for TCP (Linux 6.7).
const guardNet = 4

// guardVersion is the kernel's Landlock, 0 when there is none.
func guardVersion() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// guard keeps this process, and what it starts from now on, from the other ports.
// That takes a rule for each open one, 0.1 s in all.
func guard() error {
	var open []landlock.Rule
	for port := firstOpenPort; port <= math.MaxUint16; port++ {
		open = append(open, landlock.ConnectTCP(uint16(port)))
	}
	const connecting = landlock.AccessNetSet(unix.LANDLOCK_ACCESS_NET_CONNECT_TCP) // a server may be anywhere
	config, err := landlock.NewConfig(connecting)
	if err != nil {
		return err
	}
	return config.RestrictNet(open...)
}
