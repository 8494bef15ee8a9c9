package sim_test

import (
	"context"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/report"
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

// TestCutOffBlamesNobody: a run that is interrupted, wherever it is, names no
// cause that is not there: what it did not wait for is not a host that does not
// answer.
func TestCutOffBlamesNobody(t *testing.T) {
	t.Parallel()
	eachLook(t, 3, func(t *testing.T, want *report.Report, env *gather.Env, b *bomb, at string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b.goOff = cancel
		r, _ := engine.Run(ctx, env, engine.Options{})
		if r.State != want.State && r.State != report.Unknown || r.RootCause != nil && (want.RootCause == nil || r.RootCause.ID != want.RootCause.ID) {
			t.Errorf("interrupted at %s: %s, %s", at, r.State, r.Summary)
		}
	})
}
