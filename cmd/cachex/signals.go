package main

import (
	"os"
	"os/signal"
	"sync"

	"cachex/sandbox"
)

// signals are those for the command, for as long as there is one. Before and after
// they do to cachex what they do to any program. (Go hands the wish to catch a signal,
// or to do so no more, from thread to thread and back: for all of them that takes
// 1.5 ms, which are to be had while the sandbox is made.)
type signals struct {
	mu   sync.Mutex
	pass func(os.Signal) // nil while there is no command
}

// catchSignals begins to catch them, until the process ends.
func catchSignals() *signals {
	s := &signals{}
	got := make(chan os.Signal, 8)
	signal.Notify(got, sandbox.Signals()...)
	go func() {
		for sig := range got {
			s.deliver(sig)
		}
	}()
	return s
}

func (s *signals) deliver(sig os.Signal) {
	s.mu.Lock()
	pass := s.pass
	s.mu.Unlock()
	if pass == nil {
		signal.Reset(sig)
		endBy(sig)
		return
	}
	pass(sig)
}

// passTo says where they go; nil is for this process itself.
func (s *signals) passTo(pass func(os.Signal)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass = pass
}
