package sim_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
)

// TestRunsDoNotPileUp: a run that follows another sees the host as it is, neither
// twice nor as it was.
func TestRunsDoNotPileUp(t *testing.T) {
	t.Parallel()
	sections := func(f *facts.Facts) string {
		// The sockets of the channel and the files are as the simulator lays them; times stand still.
		b, err := json.MarshalIndent([]any{f.Agent, f.Registration, f.Credentials, f.Log, f.ECS}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, name := range sim.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sim.Play(name)
			if err != nil {
				t.Fatal(err)
			}
			s.Now = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
			h, err := sim.Start(s)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.Close)
			first := engine.Collect(t.Context(), h.Env(), engine.Options{})
			for _, w := range []engine.Waves{{}, {SkipNetwork: true, SkipPermissions: true}} {
				again := engine.Collect(t.Context(), h.Env(), engine.Options{Previous: first, Waves: w})
				if d := cmp.Diff(sections(first), sections(again)); d != "" {
					t.Errorf("%+v: a second run differs:\n%s", w, d)
				}
				if len(again.Network.Endpoints.Value) != len(first.Network.Endpoints.Value) || len(again.Permissions.Actions.Value) != len(first.Permissions.Actions.Value) || len(again.Sources) != len(first.Sources) {
					t.Errorf("%+v: %d endpoints, %d actions, %d sources; want %d, %d, %d", w, len(again.Network.Endpoints.Value), len(again.Permissions.Actions.Value), len(again.Sources),
						len(first.Network.Endpoints.Value), len(first.Permissions.Actions.Value), len(first.Sources))
				}
			}
		})
	}
}
