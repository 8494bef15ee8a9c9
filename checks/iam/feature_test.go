package iam

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFeatureReady(t *testing.T) {
	t.Parallel()
	core := []string{"ssm:UpdateInstanceInformation"}
	channel := []string{"ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel"}
	legacy := []string{"ec2messages:GetMessages", "ec2messages:AcknowledgeMessage", "ec2messages:DeleteMessage", "ec2messages:FailMessage", "ec2messages:GetEndpoint", "ec2messages:SendReply"}
	for _, c := range []struct {
		name, feature string
		allow, deny   []string
		want          Readiness
	}{
		{"nothing known", "core", nil, nil, Readiness{Ready: ReadyUnknown, Unknown: core}},
		{"core allowed", "core", core, nil, Readiness{Ready: ReadyYes}},
		{"core denied", "core", nil, core, Readiness{Ready: ReadyNo, Denied: core}},
		{"denied wins over unknown", "run-command", nil, core, Readiness{Ready: ReadyNo, Denied: core, Unknown: channel}},
		{"a denied extra limits", "run-command", slices.Concat(core, channel), []string{"ssm:GetParameters"}, Readiness{Ready: ReadyYes,
			Limited: []Need{{"ssm:GetParameters", Conditional, "ssm-secure references and parameters resolved on the node", ""}}}},
		{"old channel does for commands", "run-command", slices.Concat(core, legacy), channel, Readiness{Ready: ReadyYes, Via: "ec2messages"}},
		{"old channel may do for commands", "run-command", slices.Concat(core, legacy[1:]), channel, Readiness{Ready: ReadyUnknown, Via: "ec2messages", Unknown: legacy[:1]}},
		{"neither channel", "run-command", core, slices.Concat(channel, legacy[:1]), Readiness{Ready: ReadyNo, Denied: channel}},
		{"old channel does not do for sessions", "session-manager", slices.Concat(core, legacy), channel,
			Readiness{Ready: ReadyNo, Denied: channel, Unknown: []string{"ssmmessages:CreateDataChannel", "ssmmessages:OpenDataChannel"}}},
		{"dhmc wants the heartbeat denied", "dhmc", nil, core, Readiness{Ready: ReadyYes}},
		{"dhmc is shut out", "dhmc", core, nil, Readiness{Ready: ReadyNo, Forbidden: core}},
		{"dhmc unknown", "dhmc", nil, nil, Readiness{Ready: ReadyUnknown, Unknown: core}},
		{"nothing mandatory, allowed", "managed-buckets", []string{"s3:GetObject"}, nil, Readiness{Ready: ReadyYes}},
		{"nothing mandatory, denied", "managed-buckets", nil, []string{"s3:GetObject"}, Readiness{Ready: ReadyUnknown,
			Limited: []Need{{"s3:GetObject", Conditional, "signed downloads; with a public path the agent falls back to an unsigned request", "managed-buckets"}}}},
		{"nothing mandatory, unknown", "managed-buckets", nil, nil, Readiness{Ready: ReadyUnknown, Unknown: []string{"s3:GetObject"}}},
		{"optional only, denied", "agent-telemetry", nil, []string{"cloudwatch:PutMetricData"}, Readiness{Ready: ReadyUnknown,
			Limited: []Need{{"cloudwatch:PutMetricData", Optional, "only with TelemetryMetricsToCloudWatch=true", ""}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, ok := FeatureByID(c.feature)
			if !ok {
				t.Fatalf("no feature %s", c.feature)
			}
			got := FeatureReady(f, "eu-west-1", func(a string) Verdict {
				switch {
				case slices.Contains(c.allow, a):
					return Allow
				case slices.Contains(c.deny, a):
					return ImplicitDeny
				}
				return Unknown
			})
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestOldChannel: ec2messages serves where there is such a service.
func TestOldChannel(t *testing.T) {
	t.Parallel()
	f, _ := FeatureByID("run-command")
	channel := []string{"ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel"}
	for region, want := range map[string]Readiness{
		"us-gov-west-1": {Ready: ReadyYes, Via: "ec2messages"},
		"mx-central-1":  {Ready: ReadyNo, Denied: channel},
		"":              {Ready: ReadyUnknown, Denied: channel, Via: "ec2messages in Regions launched before 2024"},
	} {
		got := FeatureReady(f, region, func(a string) Verdict {
			if slices.Contains(channel, a) {
				return ImplicitDeny
			}
			return Allow
		})
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s\n%s", region, d)
		}
	}
}

func TestAppliesTo(t *testing.T) {
	t.Parallel()
	vss, _ := FeatureByID("vss-snapshots")
	hybrid, _ := FeatureByID("hybrid")
	if vss.AppliesTo("ec2-instance-profile", "linux") || !vss.AppliesTo("ec2-instance-profile", "windows") || !vss.AppliesTo("", "") {
		t.Error("VSS snapshots are for Windows")
	}
	if hybrid.AppliesTo("ec2-dhmc", "linux") || !hybrid.AppliesTo("hybrid", "linux") {
		t.Error("hybrid activation is for hybrid nodes")
	}
}

// TestRowProperties: what the rest of the program asks of a row instead of
// knowing its id.
func TestRowProperties(t *testing.T) {
	t.Parallel()
	type answers struct {
		JudgesProfile                                          bool
		Everywhere, OnProfile, OnDHMC, OnHybrid                bool
		PollsAssociations, HeartbeatForbidden, ToldByInventory bool
	}
	for id, want := range map[string]answers{
		"core":          {Everywhere: true, OnProfile: true, OnDHMC: true, OnHybrid: true},
		"messaging":     {Everywhere: true, OnProfile: true, OnDHMC: true, OnHybrid: true},
		"hybrid":        {OnHybrid: true},
		"dhmc":          {OnDHMC: true, JudgesProfile: true, HeartbeatForbidden: true},
		"state-manager": {PollsAssociations: true},
		"inventory":     {ToldByInventory: true},
		"run-command":   {},
	} {
		f, ok := FeatureByID(id)
		if !ok {
			t.Fatalf("no feature %s", id)
		}
		in := func(source string) bool { _, ok := f.InUseOn(source); return ok }
		told, _ := FeatureToldBy("SSM:putinventory")
		got := answers{JudgesProfile: f.JudgesProfile(), Everywhere: in(""), OnProfile: in(SourceProfile), OnDHMC: in(SourceDHMC), OnHybrid: in(SourceHybrid),
			PollsAssociations: f.IsPolled("ssm:ListInstanceAssociations"), HeartbeatForbidden: len(f.ForRole(SourceProfile).Of(Forbidden)) > 0, ToldByInventory: told.ID == id}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s\n%s", id, d)
		}
	}
	if f, ok := FeatureToldBy("ssm:GetDocument"); ok { // many features call it
		t.Errorf("ssm:GetDocument tells of %s", f.ID)
	}
	dhmc, _ := FeatureByID("dhmc")
	if role := dhmc.ForRole(SourceDHMC); len(role.Of(Forbidden)) > 0 || !slices.Contains(role.Of(Mandatory), "ssm:UpdateInstanceInformation") || len(dhmc.Of(Forbidden)) == 0 {
		t.Errorf("the role of Default Host Management needs what the profile must not have: %+v", role.Actions)
	}
}
