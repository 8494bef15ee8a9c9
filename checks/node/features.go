package node

import (
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// FeatureSource is the name of a credential source in the feature matrix;
// empty when the node has none.
func (n *Node) FeatureSource() string {
	switch n.Credentials.Source {
	case facts.SourceHybrid:
		return iam.SourceHybrid
	case facts.SourceDHMC:
		return iam.SourceDHMC
	case facts.SourceProfile:
		return iam.SourceProfile
	}
	switch n.Identity.Kind {
	case KindHybrid:
		return iam.SourceHybrid
	case KindEC2:
		return iam.SourceProfile
	}
	return ""
}

// signsAs is the credential source in the feature matrix, of the sources that put
// a feature of their own to use; empty for others.
func (n *Node) signsAs() string {
	switch n.Credentials.Source {
	case facts.SourceHybrid:
		return iam.SourceHybrid
	case facts.SourceDHMC:
		return iam.SourceDHMC
	}
	return ""
}

// InUse are the features that this host uses or was asked about, by id, each
// with the reason. Registration and the channel are used on every node.
func (n *Node) InUse() map[string]string {
	f := n.Facts
	out := map[string]string{}
	for _, ft := range iam.Features() {
		if why, ok := ft.InUseOn(n.signsAs()); ok {
			out[ft.ID] = why
		}
	}
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
	for _, u := range f.Agent.Uses.Some() {
		if _, ok := iam.FeatureByID(u.Feature); ok {
			add(u.Feature, strings.TrimPrefix(u.From, "file:"))
		}
	}
	if c, ok := f.Agent.Config.Get(); ok && c.TelemetryToCW {
		add("agent-telemetry", "the agent's configuration")
	}
	for _, t := range n.Dependents(facts.AroundEKS) {
		add("eks-hybrid", strings.TrimPrefix(t.From, "file:"))
	}
	for id, feature := range map[string]string{facts.SigAssociations: "state-manager", facts.SigSessionLogs: "session-log-cloudwatch", facts.SigKMS: "session-kms"} {
		if n.Log.Recent(id).Yes() {
			add(feature, "the agent's log")
		}
	}
	for _, r := range f.Log.Refusals.Some() {
		if ft, ok := iam.FeatureToldBy(r.Action); ok && n.Age(r.At) < RecentWindow {
			add(ft.ID, "the agent's log: "+usualSpelling(r.Action)+" was refused")
		}
	}
	return out
}

// VerdictOf is the verdict of a feature matrix for an action and identity. A
// prediction counts only where the policy simulator made it, and a proof only
// where it is about something that exists: what holds for a made-up name says
// nothing of another one.
func VerdictOf(rights []facts.Permission, identity string) func(action string) iam.Verdict {
	return ShapeOf(slices.DeleteFunc(slices.Clone(rights), func(p facts.Permission) bool { return p.Invented }), identity)
}

// ShapeOf is VerdictOf with made-up names: what is allowed on one of them is
// allowed without limits, which tells policies apart.
func ShapeOf(rights []facts.Permission, identity string) func(action string) iam.Verdict {
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
