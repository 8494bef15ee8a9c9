package sim_test

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400)  // hosts are short-lived, and thousands are made
	goleak.VerifyTestMain(m) // a host that is closed leaves nothing running
}
