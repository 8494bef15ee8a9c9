package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "credential-source", Group: "credentials", Title: "The agent has a source of credentials",
	Causes: []string{"no-credential-source"},
	Needs: []string{"imds-reachable", "imds-v2-agent", "agent-version", "registration-store", "dhmc-role",
		"clock", "tls-trust", "proxy", "proxy-applied", "dns", "dns-pin", "dns-private", "network-egress"},
	Doc: "An EC2 instance signs with its instance profile or, without one, with the role of Default Host Management Configuration; either is enough. Whether Default Host Management is on " +
		"cannot be asked from the host: it shows once the agent tried.",
	Eval: func(f *facts.Facts) Finding {
		switch Kind(f) {
		case KindHybrid, KindNone, KindECS:
			return skip("not an EC2 instance")
		}
		if hybridActive(f) {
			return skip("the hybrid registration is used")
		}
		p := f.IMDS.Profile
		if p.Known() {
			return pass("instance profile %s", orWord(RoleName(f), p.Value.ARN))
		}
		if _, off := current(f, facts.SigDHMCOff); onDHMC(f) && !off {
			return pass("Default Host Management")
		}
		if p.Unknown() {
			return unknown("instance profile: %s", p.Reason())
		}
		m, ok := firstCurrent(f, facts.SigDHMCOff, facts.SigDHMCFailed, facts.SigNotYetRegistered, facts.SigProfileFailed, facts.SigCredsFailed, facts.SigHibernate)
		if !ok {
			if _, managed := Managed(f); managed {
				return pass("accepted without an instance profile: Default Host Management")
			}
			return unknown("no instance profile is attached; whether Default Host Management is on shows once the agent has tried")
		}
		if startedAfter(f, m) {
			return unknown("no instance profile is attached; the agent was started after its last refusal, and whether Default Host Management is on now shows once it has tried")
		}
		fd := fail("no-credential-source", Likely, "no credentials: no instance profile is attached and Default Host Management gives none").
			saw("imds GET iam/info", "404, no instance profile attached", p.From)
		if strings.Contains(m.Text, "not configured for account") {
			fd.Confidence = Proven
			fd.Summary = "no credentials: no instance profile is attached, and Default Host Management is off for this account and Region"
		}
		fd = fd.logged(m)
		if b, ok := f.Log.Backoff.Get(); ok && b.Until.After(f.CollectedAt) {
			fd = fd.sawAt("back-off", "sleeping until "+clockTime(f, b.Until), "file:agent log", b.Since)
		}
		return fd
	},
})

// onProfile reports whether the agent signs with the instance profile, or would.
func onProfile(f *facts.Facts) bool {
	ec2, _ := OnEC2(f)
	return ec2 && !hybridActive(f) && f.IMDS.Profile.Known() && !onDHMC(f)
}

// onDHMC reports whether the agent uses the role of Default Host Management,
// by its runtime configuration or its latest success.
func onDHMC(f *facts.Facts) bool {
	if ec2, _ := OnEC2(f); !ec2 || hybridActive(f) {
		return false
	}
	if r, ok := f.Credentials.Runtime.Get(); ok && r.IdentityType == "EC2" && r.HasSource {
		return r.Source == "SSM"
	}
	d, ok := f.Log.Last(facts.SigDHMCOK)
	p, _ := f.Log.Last(facts.SigProfileOK)
	return ok && d.Last.After(p.Last)
}

// source is the facts.Source constant of the credentials in use.
func source(f *facts.Facts) string {
	switch {
	case Kind(f) == KindECS:
		return facts.SourceTask
	case hybridActive(f):
		return facts.SourceHybrid
	case onDHMC(f):
		return facts.SourceDHMC
	case f.IMDS.Profile.Known():
		return facts.SourceProfile
	}
	return facts.SourceNone
}
