package sim_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/report"
)

// lesser are answers that are true and less exact: what an ordinary user sees of
// a cause that lies in files of root.
var lesser = map[string][]string{
	"agent-config-invalid":       {"agent-crash-loop"},
	"agent-version-regression":   {"agent-crash-loop"},
	"registration-store-damaged": {"agent-crash-loop"},
	"imds-not-ready-at-boot":     {"agent-service-stopped"},
	"activation-rejected":        {"hybrid-not-registered"},
	"registration-orphaned":      {"hybrid-registration-on-ec2"},
	"region-mismatch":            {"hybrid-not-registered"},
}

// An ordinary user sees less, and so may get no answer or a less exact one;
// never a wrong one.
func TestFaultsSeenByUser(t *testing.T) {
	t.Parallel()
	answered := 0
	for _, f := range faults() {
		if f.severity == "info" {
			continue
		}
		s := bases[f.base]()
		s.Now, s.UID = now, 1000
		f.put(&s)
		r, _ := examine(t, s, f.probes...)
		id, _ := answer(r)
		switch {
		case id == f.cause:
			answered++
		case r.RootCause != nil && r.State != report.Unknown && !slices.Contains(lesser[f.cause], id):
			t.Errorf("%s: got %s %s, want %s or none: %s", f.name, r.State, id, f.cause, r.Summary)
		case r.State == report.Managed:
			t.Errorf("%s: said to be managed: %s", f.name, r.Summary)
		case r.NeedRoot == 0:
			t.Errorf("%s: not said that root would see more: %s", f.name, r.Summary)
		}
	}
	if answered < 50 {
		t.Errorf("only %d faults are named to a user", answered)
	}
}

// A source that may not look says so; one that finds nothing does not.
func TestSourcesThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uid  int
		want []string
	}{{0, nil}, {1000, []string{"registration", "credentials", "log", "uses"}}} {
		s := bases["profile"]()
		s.Now, s.UID = now, c.uid
		r, _ := examine(t, s)
		var failed []string
		for _, source := range r.Sources {
			if !source.Success {
				failed = append(failed, source.Name)
			}
		}
		slices.Sort(failed)
		slices.Sort(c.want)
		if d := cmp.Diff(c.want, failed); d != "" {
			t.Errorf("user %d: %s", c.uid, d)
		}
	}
}

// Two runs against the same host say the same of every check.
func TestSameAnswerTwice(t *testing.T) {
	t.Parallel()
	type line struct{ id, status, cause, follows string }
	lines := func(r *report.Report) []line {
		out := []line{{r.State, r.Node.ID, r.Credentials.Source, r.Credentials.Role}}
		for _, c := range r.Checks {
			out = append(out, line{c.ID, c.Status, c.Cause, c.FollowsFrom})
		}
		for _, c := range r.Also {
			out = append(out, line{c.ID, c.Severity, c.Confidence, ""})
		}
		for _, p := range r.Permissions {
			out = append(out, line{p.Action, p.Verdict, p.Layer, p.Identity})
		}
		for _, e := range r.Endpoints {
			// Not the error: it names ports, and where nobody answers it depends
			// on whose patience ends first.
			out = append(out, line{e.Host, e.Route, e.Phase, ""})
		}
		return out
	}
	for i, f := range faults() {
		if every > 1 && i%4 != 0 {
			continue
		}
		s := bases[f.base]()
		s.Now = now
		f.put(&s)
		one, _ := examine(t, s)
		two, _ := examine(t, s)
		if !slices.Equal(lines(one), lines(two)) {
			t.Errorf("%s: two runs differ:\n%s", f.name, cmp.Diff(lines(one), lines(two), cmp.AllowUnexported(line{})))
		}
	}
}
