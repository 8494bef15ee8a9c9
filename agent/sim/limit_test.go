package sim_test

import (
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/sim"
)

// TestTimeLimit: a run that spends its limit says so and is no success.
func TestTimeLimit(t *testing.T) {
	t.Parallel()
	h, err := sim.New("healthy-profile")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	r, _ := engine.Run(t.Context(), h.Env(), engine.Options{Budget: time.Nanosecond})
	if !r.TimedOut || export.Completed(r) {
		t.Errorf("timed out %v, completed %v", r.TimedOut, export.Completed(r))
	}
	r, _ = engine.Run(t.Context(), h.Env(), engine.Options{})
	if r.TimedOut || !export.Completed(r) {
		t.Errorf("without hurry: timed out %v, completed %v", r.TimedOut, export.Completed(r))
	}
}
