package engine

import (
	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// features says for each Systems Manager feature that this host could use
// whether the rights of its identity are known to suffice.
func features(f *facts.Facts) []report.Feature {
	source := checks.FeatureSource(f)
	if source == "" {
		return nil
	}
	rights, used := checks.Rights(f), checks.InUse(f)
	var out []report.Feature
	for _, ft := range iam.Features() {
		if !ft.AppliesTo(source, f.Host.GOOS) && used[ft.ID] != "asked for" {
			continue
		}
		verdict := checks.VerdictOf(rights, checks.Source(f))
		if ft.JudgesProfile() {
			switch source {
			case iam.SourceProfile:
				verdict = checks.VerdictOf(rights, facts.SourceProfile)
			case iam.SourceDHMC:
				verdict = profileVerdict(f, rights)
			}
		}
		out = append(out, feature(ft, used, checks.Region(f), verdict))
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
func profileVerdict(f *facts.Facts, rights []facts.Permission) func(string) iam.Verdict {
	if f.IMDS.Profile.Absent() {
		return func(string) iam.Verdict { return iam.ImplicitDeny }
	}
	return checks.VerdictOf(rights, facts.SourceProfile)
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
