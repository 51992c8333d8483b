package sandbox

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Main() // the tests' sandboxes start this very program
	goleak.VerifyTestMain(m)
	os.Exit(0) // not reached
}
