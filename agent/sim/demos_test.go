package sim_test

import (
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/sim"
)

// demoAnswers are state, root cause and severity of every demo.
var demoAnswers = map[string][3]string{
	"healthy-profile":        {"managed", "healthy", "ok"},
	"healthy-dhmc":           {"managed", "healthy", "ok"},
	"healthy-hybrid":         {"managed", "healthy", "ok"},
	"no-credential-source":   {"not-managed", "no-credential-source", "critical"},
	"agent-not-installed":    {"not-managed", "agent-not-installed", "critical"},
	"agent-stopped":          {"not-managed", "agent-service-stopped", "critical"},
	"imds-disabled":          {"not-managed", "imds-disabled", "critical"},
	"imds-hop-limit":         {"not-managed", "imds-hop-limit", "critical"},
	"clock-skew":             {"not-managed", "clock-skew", "critical"},
	"tls-interceptor":        {"not-managed", "tls-untrusted-ca", "critical"},
	"proxy-refuses":          {"not-managed", "proxy-refuses", "critical"},
	"dns-failure":            {"not-managed", "dns-resolution-failed", "critical"},
	"no-egress":              {"not-managed", "network-no-egress", "critical"},
	"endpoint-missing":       {"degraded", "vpce-service-missing", "critical"},
	"endpoint-policy":        {"not-managed", "vpce-policy-deny", "critical"},
	"scp-deny":               {"not-managed", "iam-explicit-deny", "critical"},
	"role-without-policy":    {"not-managed", "iam-missing-registration-action", "critical"},
	"profile-shadows-dhmc":   {"degraded", "profile-shadows-dhmc", "critical"},
	"cloned-image":           {"not-managed", "registration-cloned-image", "critical"},
	"session-manager-broken": {"degraded", "iam-missing-channel-action", "warning"},
	"agent-asleep":           {"not-managed", "agent-backoff-wait", "info"},
	"disk-full":              {"not-managed", "disk-full", "critical"},
}

func TestDemos(t *testing.T) {
	t.Parallel()
	if len(demoAnswers) != len(sim.Names()) {
		t.Errorf("%d answers for %d demos", len(demoAnswers), len(sim.Names()))
	}
	for _, name := range sim.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := sim.New(name)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			want, ok := demoAnswers[name]
			if !ok {
				t.Fatal("no answer in the table")
			}
			check := func(when string, want [3]string) {
				t.Helper()
				r, _ := engine.Run(t.Context(), h.Env(), engine.Options{})
				oneScreen(t, r)
				id, severity := answer(r)
				if got := [3]string{r.State, id, severity}; got != want {
					t.Errorf("%s: got %v, want %v: %s", when, got, want, r.Summary)
				}
			}
			check("as it comes", want)
			if err := h.Lift(); err != nil {
				t.Fatal(err)
			}
			check("lifted", [3]string{"managed", "healthy", "ok"})
			if err := h.Break(); err != nil {
				t.Fatal(err)
			}
			check("broken again", want)
			harmless(t, h)
		})
	}
}

func TestDemoWithoutRoot(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"healthy-profile", "no-credential-source"} {
		s, err := sim.Play(name)
		if err != nil {
			t.Fatal(err)
		}
		s.UID = 1000
		r, _ := examine(t, s)
		if r.NeedRoot == 0 {
			t.Errorf("%s: nothing needs root", name)
		}
		if r.RootCause != nil && r.RootCause.ID != demoAnswers[name][1] {
			t.Errorf("%s: root cause %s", name, r.RootCause.ID)
		}
	}
}

func TestUnknownDemo(t *testing.T) {
	t.Parallel()
	if _, err := sim.New("no-such"); err == nil {
		t.Error("a demo of an unknown name came up")
	}
}

// A host may change while it is examined.
func TestChangeWhileExamined(t *testing.T) {
	t.Parallel()
	h, err := sim.New("tls-interceptor")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	done := make(chan error, 1)
	go func() {
		for range 20 {
			for _, change := range []func() error{h.Lift, h.Break} {
				if err := change(); err != nil {
					done <- err
					return
				}
			}
		}
		done <- nil
	}()
	for range 5 {
		r, _ := engine.Run(t.Context(), h.Env(), engine.Options{})
		if r.Node.ID == "" {
			t.Error("no node in the report")
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	r, _ := engine.Run(t.Context(), h.Env(), engine.Options{})
	if id, _ := answer(r); id != "tls-untrusted-ca" {
		t.Errorf("at the end: %s", id)
	}
}
