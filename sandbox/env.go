package sandbox

import "net"

// listenLoopback opens the one listener of an environment.
func listenLoopback() (Listeners, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Listeners{}, &StepError{Step: "listen on 127.0.0.1", Err: err}
	}
	return Listeners{TCP: []net.Listener{l}}, nil
}
