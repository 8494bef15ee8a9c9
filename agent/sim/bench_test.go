package sim_test

import (
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/sim"
)

// The budgets: a healthy host 0.12 s, any single fault 3 s. The simulator's own
// work is in the figure.
func BenchmarkRun(b *testing.B) {
	for _, name := range []string{"healthy-profile", "no-egress", "imds-hop-limit"} {
		b.Run(name, func(b *testing.B) {
			h, err := sim.New(name)
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			b.ReportAllocs()
			for b.Loop() {
				engine.Run(b.Context(), h.Env(), engine.Options{})
			}
		})
	}
}
