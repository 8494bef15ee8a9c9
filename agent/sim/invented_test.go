package sim_test

import (
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
)

// A role that may read the parameters of one path is neither blamed for the name
// that a probe makes up, nor praised for it.
func TestMadeUpNames(t *testing.T) {
	t.Parallel()
	parameters := func(resource string) sim.Policy {
		return sim.Policy(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["ssm:GetParameter","ssm:GetParameters"],"Resource":"` + resource + `"}}`)
	}
	for _, c := range []struct {
		name, resource string
		paths          []string
		ready          string
	}{
		{"another path", "arn:aws:ssm:*:*:parameter/app/*", nil, "unknown"},
		{"the name itself", "arn:aws:ssm:*:*:parameter/ssm-doctor/probe/none", nil, "unknown"},
		{"everything", "*", nil, "unknown"},
		{"the path asked about", "arn:aws:ssm:*:*:parameter/app/*", []string{"/app"}, "yes"},
		{"not the path asked about", "arn:aws:ssm:*:*:parameter/app/*", []string{"/other"}, "no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := bases["profile"]()
			s.Now = now
			without(&s, "ssm:GetParameter", "ssm:GetParameters")
			s.Principals["profile"].Policies = append(s.Principals["profile"].Policies, parameters(c.resource))
			h, err := sim.Start(s)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			env := h.Env()
			env.Probes, env.Parameters, env.Features = []string{"parameters"}, c.paths, []string{"parameter-store"}
			r, _ := engine.Run(t.Context(), env, engine.Options{})
			i := slices.IndexFunc(r.Features, func(f report.Feature) bool { return f.ID == "parameter-store" })
			if i < 0 || r.Features[i].Ready != c.ready {
				t.Errorf("%+v", r.Features)
			}
			var b strings.Builder
			if err := report.WritePermissions(&b, "text", r, report.Style{Width: 300}); err != nil {
				t.Fatal(err)
			}
			if told := strings.Contains(b.String(), "a made-up name only: parameter/ssm-doctor/probe/none"); told != (c.paths == nil) {
				t.Errorf("the name is told: %v\n%s", told, b.String())
			}
			if blamed := r.RootCause != nil; blamed != (c.ready == "no") {
				t.Errorf("root cause %+v", r.RootCause)
			}
		})
	}
}

// What has no resource is refused on arn:...:*, and counts as refused.
func TestRefusedLists(t *testing.T) {
	t.Parallel()
	s := bases["profile"]()
	s.Now = now
	h, err := sim.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	env := h.Env()
	env.Probes = []string{"patching"}
	f := engine.Collect(t.Context(), env, engine.Options{})
	i := slices.IndexFunc(f.Permissions.Actions.Value, func(p facts.Permission) bool { return p.Action == "ssm:DescribePatchBaselines" })
	if i < 0 || f.Permissions.Actions.Value[i].Verdict != facts.DeniedProven {
		t.Errorf("%+v", f.Permissions.Actions)
	}
}
