package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// DhmcVsProfile is dhmc-vs-profile.
var DhmcVsProfile = register(Check{
	ID: "dhmc-vs-profile", Group: "credentials", Title: "The role that Systems Manager uses is the one attached",
	Station: AtCredentials,
	Causes:  []string{"dhmc-shadows-profile"},
	Doc:     "A profile without ssm:UpdateInstanceInformation is passed over in favour of Default Host Management. The node is managed then, but its commands run with the other role and do not have the profile's permissions.",
	Eval: func(n *node.Node) Finding {
		p := n.Facts.IMDS.Profile
		switch {
		case n.Credentials.OnDHMC == node.No, p.Absent():
			return skip("not both a profile and Default Host Management")
		case n.MayBeHybrid():
			return unreadHybrid(n)
		case n.Credentials.OnDHMC == node.Unknown:
			return unknown("whether the agent uses Default Host Management is not known")
		case p.Unknown():
			return unread("instance profile", p)
		}
		fd := notes("dhmc-shadows-profile", Likely, "the node is managed with the Default Host Management role; the permissions of the attached role %s do not apply to what Systems Manager runs", text.Or(n.Identity.Role, "of the instance profile")).
			saw("imds GET iam/info", p.Value.Name, p.From).
			with("role", n.Identity.Role, "profile", p.Value.Name).logged(n.Log.Last(facts.SigProfileFailed))
		if r, ok := n.Facts.Credentials.Runtime.Get(); ok && r.Source == "SSM" {
			fd = fd.saw("CredentialSource", r.Source, n.Facts.Credentials.Runtime.From)
		} else {
			fd = fd.logged(n.Log.Last(facts.SigDHMCOK))
		}
		for _, r := range n.OfFeatures() {
			fd = fd.as(Breaks).sawAt("agent log", text.Cut(r.Text, 200), r.From, r.At)
		}
		return fd
	},
})
