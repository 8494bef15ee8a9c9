package engine

import (
	"slices"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/diagnose"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

// features says for each Systems Manager feature that this host could use
// whether the rights of its identity are known to suffice, and nothing that was found
// keeps it from working all the same.
func features(n *node.Node, rights []facts.Permission, found diagnose.Findings) []report.Feature {
	source, goos := n.FeatureSource(), n.Facts.Host.GOOS
	if source == "" {
		return nil
	}
	used, broken := n.InUse(), stopped(found)
	var out []report.Feature
	for _, ft := range iam.Features() {
		if !ft.AppliesTo(source, goos) && !slices.Contains(n.Facts.Asked, ft.ID) {
			continue
		}
		verdict := node.VerdictOf(rights, n.Credentials.Source)
		if ft.JudgesProfile() {
			switch source {
			case iam.SourceProfile:
				verdict = node.VerdictOf(rights, facts.SourceProfile)
			case iam.SourceDHMC:
				verdict = profileVerdict(n, rights)
			}
		}
		r := feature(ft, used, n.Identity.Region, verdict)
		if r.Broken = broken[ft.ID]; r.Broken != "" {
			r.Ready = iam.ReadyNo
		}
		out = append(out, r)
	}
	return out
}

// stopped are the features that something found keeps from working, by id, with the
// cause of it.
func stopped(found diagnose.Findings) map[string]string {
	out := map[string]string{}
	for _, c := range checks.All() {
		fd, ok := found[c.ID]
		if !ok || fd.Status != checks.Warn && fd.Status != checks.Fail {
			continue
		}
		for _, part := range append([]checks.Finding{fd}, fd.More...) {
			for _, id := range part.Stops {
				if out[id] == "" {
					out[id] = part.Cause
				}
			}
		}
	}
	return out
}

// feature judges one feature; used says why it counts as in use.
func feature(ft iam.Feature, used map[string]string, region string, verdict func(string) iam.Verdict) report.Feature {
	r := iam.FeatureReady(ft, region, verdict)
	_, inUse := used[ft.ID]
	return report.Feature{ID: ft.ID, Title: ft.Title, Ready: r.Ready, InUse: inUse, Why: used[ft.ID], Denied: r.Denied, Unknown: r.Unknown,
		Forbidden: r.Forbidden, Limited: limited(r.Limited), Via: r.Via}
}

// profileVerdict is that of the instance profile; a host without one is not
// kept from Default Host Management.
func profileVerdict(n *node.Node, rights []facts.Permission) func(string) iam.Verdict {
	if n.Facts.IMDS.Profile.Absent() {
		return func(string) iam.Verdict { return iam.ImplicitDeny }
	}
	return node.VerdictOf(rights, facts.SourceProfile)
}

func limited(needs []iam.Need) []string {
	var out []string
	for _, n := range needs {
		s := n.Action
		if n.When != "" {
			s += " (" + n.When + ")"
		}
		out = append(out, s)
	}
	return out
}
