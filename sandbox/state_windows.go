package sandbox

import "os"

func stateOf(p *os.ProcessState) State { return State{Code: p.ExitCode()} }
