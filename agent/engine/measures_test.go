package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

func TestMeasures(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	yes, no, half := true, false, 0.5
	for _, c := range []struct {
		name string
		set  func(*facts.Facts)
		want report.Measures
	}{
		{"nobody looked", func(*facts.Facts) {}, report.Measures{}},
		{"agent stopped, nothing registered", func(f *facts.Facts) {
			f.Agent.Processes = facts.Known(facts.Processes{}, "proc")
			f.Agent.Installations = facts.Known([]facts.Installation(nil), "")
			f.Registration.Hybrid, f.Registration.EC2 = facts.Absent[facts.Key]("", ""), facts.Absent[facts.Key]("", "")
		}, report.Measures{AgentPackage: "none", AgentRunning: &no, Registered: &no}},
		{"vault not readable", func(f *facts.Facts) {
			f.Registration.Hybrid, f.Registration.EC2 = facts.Unknown[facts.Key]("permission denied", ""), facts.Absent[facts.Key]("", "")
		}, report.Measures{}},
		{"agent runs on a registered host", func(f *facts.Facts) {
			f.Agent.Installations = facts.Known([]facts.Installation{{Kind: "windows"}}, "")
			f.Agent.Processes = facts.Known(facts.Processes{Core: []facts.Process{{Started: now}}}, "proc")
			f.Registration.EC2 = facts.Known(facts.Key{InstanceID: "i-0123", CreatedAt: now}, "")
			f.IMDS.Token = facts.Known(facts.Exchange{Status: 200, Token: true, Seconds: half}, "")
			f.IMDS.Bare = facts.Known(facts.Exchange{Status: 401}, "")
		}, report.Measures{AgentPackage: "msi", AgentRunning: &yes, AgentStarted: now, Registered: &yes, KeyCreated: now, IMDSReachable: &yes, IMDSTokenRequired: &yes, IMDSTokenSeconds: &half}},
		{"the operator knows the newest agent", func(f *facts.Facts) { f.AgentLatest = "3.3.3050.0" }, report.Measures{AgentLatest: "3.3.3050.0"}},
		{"metadata does not answer", func(f *facts.Facts) {
			f.IMDS.Token = facts.Known(facts.Exchange{Outcome: "timeout", Seconds: 1}, "")
		}, report.Measures{IMDSReachable: &no}},
		{"throttled and refused", func(f *facts.Facts) {
			f.Permissions.Actions = facts.Known([]facts.Permission{
				{Action: "ssm:GetDocument", Verdict: facts.Inconclusive, Code: "ThrottlingException", At: now},
				{Action: "ssm:GetDocument", Verdict: facts.DeniedProven, Code: "AccessDeniedException"},
				{Action: "ssm:GetManifest", Verdict: facts.AllowedPredicted, Code: "ResourceNotFoundException"},
				{Action: "ssm:GetManifest", Verdict: facts.Unreachable},
			}, "")
			f.Permissions.Identities = facts.Known([]facts.Identity{{Outcome: "refused", Code: "InvalidClientTokenId"}, {Outcome: "ok"}}, "")
			f.Permissions.Calls = map[string]int{"sts:GetCallerIdentity": 2, "ssm:GetDocument": 2, "ssm:GetManifest": 2}
		}, report.Measures{PermissionsRead: now, Failures: []report.CallFailure{
			{Action: "ssm:GetDocument", Reason: "access-denied", Count: 1}, {Action: "ssm:GetDocument", Reason: "throttled", Count: 1},
			{Action: "ssm:GetManifest", Reason: "network", Count: 1}, {Action: "sts:GetCallerIdentity", Reason: "other", Count: 1}}}},
		{"refused in an earlier run", func(f *facts.Facts) {
			f.Permissions.Actions = facts.Known([]facts.Permission{{Action: "ssm:GetDocument", Verdict: facts.DeniedProven, Code: "AccessDeniedException", At: now}}, "")
			f.Permissions.Identities = facts.Known([]facts.Identity{{Outcome: "refused", Code: "InvalidClientTokenId"}}, "")
			f.Permissions.Calls = map[string]int{}
		}, report.Measures{PermissionsRead: now}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &facts.Facts{}
			c.set(f)
			got := *measures(node.Of(f), &report.Report{})
			if len(got.Failures) == 0 {
				got.Failures = nil
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
