package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// FeatureSource is the name of a credential source in the feature matrix;
// empty when the node has none.
func FeatureSource(f *facts.Facts) string {
	switch source(f) {
	case facts.SourceHybrid:
		return "hybrid"
	case facts.SourceDHMC:
		return "ec2-dhmc"
	case facts.SourceProfile:
		return "ec2-instance-profile"
	}
	switch Kind(f) {
	case KindHybrid:
		return "hybrid"
	case KindEC2:
		return "ec2-instance-profile"
	}
	return ""
}

// telling are actions that only one feature calls.
var telling = map[string]string{
	"ssm:PutInventory": "inventory", "ssm:PutComplianceItems": "compliance", "ssm:GetDeployablePatchSnapshotForInstance": "patch-manager",
	"ssm:GetManifest": "distributor", "ssm:UpdateInstanceAssociationStatus": "state-manager",
	"ssm:GetParameter": "parameter-store", "ssm:GetParameters": "parameter-store", "ds:CreateComputer": "domain-join", "ds:DescribeDirectories": "domain-join",
	"s3:PutObject": "run-command-output-s3", "ssmmessages:CreateDataChannel": "session-manager", "ssmmessages:OpenDataChannel": "session-manager",
	"ec2:CreateSnapshots": "vss-snapshots", "ec2:CreateImage": "vss-snapshots",
}

// InUse are the features that this host uses or was asked about, by id, each
// with the reason. Registration and the channel are used on every node.
func InUse(f *facts.Facts) map[string]string {
	out := map[string]string{"core": "every node", "messaging": "every node"}
	add := func(id, why string) {
		if _, ok := out[id]; !ok {
			out[id] = why
		}
	}
	for _, id := range f.Asked {
		if _, ok := iam.FeatureByID(id); ok {
			out[id] = "asked for"
		}
	}
	for _, u := range f.Agent.Uses {
		if _, ok := iam.FeatureByID(u.Feature); ok {
			add(u.Feature, strings.TrimPrefix(u.From, "file:"))
		}
	}
	switch {
	case source(f) == facts.SourceHybrid:
		add("hybrid", "the node has a hybrid registration")
	case source(f) == facts.SourceDHMC:
		add("dhmc", "the agent uses Default Host Management")
	}
	if c, ok := f.Agent.Config.Get(); ok && c.TelemetryToCW {
		add("agent-telemetry", "the agent's configuration")
	}
	for id, feature := range map[string]string{facts.SigAssociations: "state-manager", facts.SigSessionLogs: "session-log-cloudwatch", facts.SigKMS: "session-kms"} {
		if _, ok := recently(f, id); ok {
			add(feature, "the agent's log")
		}
	}
	for _, r := range f.Log.Refusals {
		action := canonical(orWord(iam.ParseRefusal(r.Code, r.Message).Action, r.Action))
		if feature := telling[action]; feature != "" && age(f, r.At) < refusedWindow {
			add(feature, "the agent's log: "+action+" was refused")
		}
	}
	return out
}

// VerdictOf is the verdict of a feature matrix for an action and identity. A
// prediction counts only where the policy simulator made it, and a proof only
// where it is about something that exists: what holds for a made-up name says
// nothing of another one.
func VerdictOf(rights []facts.Permission, identity string) func(action string) iam.Verdict {
	return shapeOf(slices.DeleteFunc(slices.Clone(rights), func(p facts.Permission) bool { return p.Invented }), identity)
}

// shapeOf is VerdictOf with made-up names: what is allowed on one of them is
// allowed without limits, which tells policies apart.
func shapeOf(rights []facts.Permission, identity string) func(action string) iam.Verdict {
	return func(action string) iam.Verdict {
		out := iam.Unknown
		for _, p := range rights {
			if p.Identity != identity || p.Action != action {
				continue
			}
			switch p.Verdict {
			case facts.AllowedProven, facts.AllowedObserved:
				out = iam.Allow
			case facts.AllowedPredicted:
				if p.From == SimulatorFrom {
					out = iam.Allow
				}
			case facts.DeniedProven, facts.DeniedPredicted:
				// A refusal on one resource counts, whatever others allow.
				if p.Explicit {
					return iam.ExplicitDeny
				}
				return iam.ImplicitDeny
			}
		}
		return out
	}
}

// SimulatorFrom marks verdicts of the policy simulator.
const SimulatorFrom = "iam:SimulatePrincipalPolicy"
