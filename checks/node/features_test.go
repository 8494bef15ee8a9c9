package node

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

func TestInUse(t *testing.T) {
	t.Parallel()
	every := map[string]string{"core": "every node", "messaging": "every node"}
	with := func(more ...string) map[string]string {
		out := map[string]string{}
		for id, why := range every {
			out[id] = why
		}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	uses := func(list ...facts.Use) fault { return func(f *facts.Facts) { f.Agent.Uses = facts.Known(list, "") } }
	asked := func(list ...string) fault { return func(f *facts.Facts) { f.Asked = list } }
	for _, c := range []struct {
		name, kind string
		fault      fault
		want       map[string]string
	}{
		{"nothing", "profile", nil, every},
		{"hybrid", "hybrid", nil, with("hybrid", "the node has a hybrid registration")},
		{"dhmc", "dhmc", nil, with("dhmc", "the agent uses Default Host Management")},
		{"asked for", "profile", asked("domain-join", "no-such-feature"), with("domain-join", "asked for")},
		{"traces", "profile", uses(facts.Use{Feature: "inventory", From: "file:/x"}, facts.Use{Feature: "future", From: "file:/y"}), with("inventory", "/x")},
		{"asked for, with a trace", "profile", all(asked("inventory"), uses(facts.Use{Feature: "inventory", From: "file:/x"})), with("inventory", "asked for")},
		{"traces partly read", "profile", func(f *facts.Facts) {
			f.Agent.Uses = facts.Partly([]facts.Use{{Feature: "inventory", From: "file:/x"}}, "permission denied", "")
		}, with("inventory", "/x")},
		{"configuration", "profile", func(f *facts.Facts) { f.Agent.Config = facts.Known(facts.Config{TelemetryToCW: true}, "") }, with("agent-telemetry", "the agent's configuration")},
		{"entries of the log", "profile", all(entry(facts.SigAssociations, 100*time.Minute, ""), entry(facts.SigSessionLogs, time.Hour, ""), entry(facts.SigKMS, 30*time.Hour, "")),
			with("state-manager", "the agent's log", "session-log-cloudwatch", "the agent's log")},
		{"refusals", "profile", func(f *facts.Facts) {
			f.Log.Refusals.Value = []facts.Refusal{
				{Refusal: iam.Refusal{Action: "S3:putobject"}, At: f.CollectedAt.Add(-time.Minute)},
				{Refusal: iam.Refusal{Action: "ssm:GetParameter"}, At: f.CollectedAt.Add(-30 * time.Hour)},
				{Refusal: iam.Refusal{Action: "ssm:ListInstanceAssociations"}, At: f.CollectedAt.Add(-time.Minute)},
			}
		}, with("run-command-output-s3", "the agent's log: s3:PutObject was refused")},
		{"credentials unread", "dhmc", func(f *facts.Facts) { runtimeUnread(f); logUnread(f) }, every},
	} {
		if d := cmp.Diff(c.want, nodeOf(t, c.kind, nonNil(c.fault)).InUse()); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestFeatureSource(t *testing.T) {
	t.Parallel()
	noProfile := func(f *facts.Facts) {
		f.IMDS.Profile, f.Credentials.Runtime.Value.Source = facts.Absent[facts.Profile]("404", "imds"), ""
	}
	for _, c := range []struct {
		name, kind string
		fault      fault
		want       string
	}{
		{"profile", "profile", nil, iam.SourceProfile},
		{"dhmc", "dhmc", nil, iam.SourceDHMC},
		{"hybrid", "hybrid", nil, iam.SourceHybrid},
		{"task", "task", nil, ""},
		{"EC2 without credentials", "profile", noProfile, iam.SourceProfile},
		{"registered in the informational file only", "hybrid", func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
			noRuntime(f)
		}, iam.SourceHybrid},
		{"not registered", "hybrid", unregistered, ""},
		{"not known", "profile", nowhere, ""},
	} {
		if got := nodeOf(t, c.kind, nonNil(c.fault)).FeatureSource(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	const a = "ssm:GetParameter"
	p := func(verdict string, change ...func(*facts.Permission)) facts.Permission {
		out := facts.Permission{Action: a, Identity: facts.SourceProfile, Verdict: verdict}
		for _, c := range change {
			c(&out)
		}
		return out
	}
	madeUp := func(p *facts.Permission) { p.Invented = true }
	simulated := func(p *facts.Permission) { p.From = SimulatorFrom }
	explicit := func(p *facts.Permission) { p.Explicit = true }
	other := func(p *facts.Permission) { p.Identity = facts.SourceShared }
	for _, c := range []struct {
		name           string
		rights         []facts.Permission
		verdict, shape iam.Verdict
	}{
		{"nothing", nil, iam.Unknown, iam.Unknown},
		{"proven", []facts.Permission{p(facts.AllowedProven)}, iam.Allow, iam.Allow},
		{"observed", []facts.Permission{p(facts.AllowedObserved)}, iam.Allow, iam.Allow},
		{"predicted", []facts.Permission{p(facts.AllowedPredicted)}, iam.Unknown, iam.Unknown},
		{"predicted by the simulator", []facts.Permission{p(facts.AllowedPredicted, simulated)}, iam.Allow, iam.Allow},
		{"denied", []facts.Permission{p(facts.DeniedProven)}, iam.ImplicitDeny, iam.ImplicitDeny},
		{"denied explicitly", []facts.Permission{p(facts.DeniedProven, explicit)}, iam.ExplicitDeny, iam.ExplicitDeny},
		{"denied by a prediction", []facts.Permission{p(facts.DeniedPredicted)}, iam.ImplicitDeny, iam.ImplicitDeny},
		{"allowed on one resource, denied on another", []facts.Permission{p(facts.AllowedProven), p(facts.DeniedProven)}, iam.ImplicitDeny, iam.ImplicitDeny},
		{"a made-up name", []facts.Permission{p(facts.AllowedProven, madeUp)}, iam.Unknown, iam.Allow},
		{"unreachable", []facts.Permission{p(facts.Unreachable)}, iam.Unknown, iam.Unknown},
		{"another identity", []facts.Permission{p(facts.AllowedProven, other)}, iam.Unknown, iam.Unknown},
	} {
		if got := VerdictOf(c.rights, facts.SourceProfile)(a); got != c.verdict {
			t.Errorf("%s: %s, want %s", c.name, got, c.verdict)
		}
		if got := ShapeOf(c.rights, facts.SourceProfile)(a); got != c.shape {
			t.Errorf("%s: shape %s, want %s", c.name, got, c.shape)
		}
	}
}
