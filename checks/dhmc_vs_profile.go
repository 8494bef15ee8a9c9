package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "dhmc-vs-profile", Group: "credentials", Title: "The role that Systems Manager uses is the one attached",
	Causes: []string{"dhmc-shadows-profile"},
	Needs:  []string{"credential-source"},
	Doc:    "A profile without ssm:UpdateInstanceInformation is passed over in favour of Default Host Management. The node is managed then, but its commands run with the other role and do not have the profile's permissions.",
	Eval: func(f *facts.Facts) Finding {
		if !onDHMC(f) || !f.IMDS.Profile.Known() {
			return skip("not both a profile and Default Host Management")
		}
		role := orWord(RoleName(f), "of the instance profile")
		fd := warn("dhmc-shadows-profile", Likely, "the node is managed with the Default Host Management role; the permissions of the attached role %s do not apply to what Systems Manager runs", role).
			severity(causes.Info).saw("CredentialSource", "SSM", f.Credentials.Runtime.From).saw("imds GET iam/info", f.IMDS.Profile.Value.Name, f.IMDS.Profile.From).
			with("role", RoleName(f), "profile", f.IMDS.Profile.Value.Name)
		if m, ok := f.Log.Last(facts.SigProfileFailed); ok {
			fd = fd.logged(m)
		}
		for _, r := range featureRefusals(f) {
			fd = fd.severity(causes.Warning).sawAt("agent log", cut(r.Message, 200), "file:agent log", r.At)
		}
		return fd
	},
})
