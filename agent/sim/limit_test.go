package sim_test

import (
	"context"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
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
	for i, name := range sim.Names() {
		if i%every != 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := sim.New(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.Close)
			env := h.Env()
			count := mine(env)
			want, _ := engine.Run(t.Context(), env, engine.Options{})
			for way, c := range count {
				total := c.asked.Load()
				for n := int64(1); n <= total; n += max(1, total/3) {
					ctx, cancel := context.WithCancel(t.Context())
					env := h.Env()
					b := mine(env)[way]
					b.n.Store(n)
					b.goOff = cancel
					r, _ := engine.Run(ctx, env, engine.Options{})
					cancel()
					if r.State != want.State && r.State != report.Unknown || r.RootCause != nil && (want.RootCause == nil || r.RootCause.ID != want.RootCause.ID) {
						t.Errorf("interrupted at %s %d: %s, %s", way, n, r.State, r.Summary)
					}
				}
			}
		})
	}
}
