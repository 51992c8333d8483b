package sandbox

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Main() // the tests' sandboxes start this very program
	if os.Args[0] == insideMark {
		insiders[os.Args[1]]()
		fmt.Println("done")
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
	os.Exit(0) // not reached
}
