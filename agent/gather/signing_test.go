package gather

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestSigning: all groups of signed requests of a run share one deadline.
func TestSigning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := (&Env{}).Begin()
		first, done := run.Signing(t.Context())
		time.Sleep(3 * time.Second)
		if first.Err() != nil {
			t.Error("the first group ended early")
		}
		done()
		time.Sleep(10 * time.Second) // what is not signed takes nothing from it
		start := time.Now()
		second, done := run.Signing(t.Context())
		<-second.Done()
		if took := time.Since(start); took != time.Second {
			t.Errorf("the second group had %v, want what the first left", took)
		}
		done()
		third, done := run.Signing(t.Context())
		if <-third.Done(); time.Since(start) != time.Second {
			t.Error("a third group had time")
		}
		done()
	})
}
