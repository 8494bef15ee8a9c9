package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// CredentialSource is credential-source.
var CredentialSource = register(Check{
	ID: "credential-source", Group: "credentials", Title: "The agent has a source of credentials",
	Station: AtCredentials,
	Needs:   []*Check{AgentVersion, DhmcRole},
	Causes:  []string{"no-credential-source"},
	Doc: "An EC2 instance signs with its instance profile or, without one, with the role of Default Host Management Configuration; either is enough. Whether Default Host Management is on " +
		"cannot be asked from the host: it shows once the agent tried.",
	Eval: func(n *node.Node) Finding {
		p := n.Facts.IMDS.Profile
		switch {
		case n.Identity.InECS == node.Yes, n.Identity.OnEC2 == node.No:
			return skip("not an EC2 instance")
		case n.Identity.OnEC2 == node.Unknown, n.Identity.InECS == node.Unknown:
			return unknown("whether this is an EC2 instance is not known")
		case n.Identity.Hybrid == node.Yes:
			return skip("the hybrid registration is used")
		case n.MayBeHybrid():
			return unreadHybrid(n)
		case p.Known():
			return pass("instance profile %s", text.Or(n.Identity.Role, p.Value.ARN))
		case n.Credentials.OnDHMC == node.Yes && n.Log.Current(facts.SigDHMCOff).Found == node.No:
			return pass("Default Host Management")
		case p.Unknown():
			return unread("instance profile", p)
		case n.Identity.Hybrid == node.Unknown:
			return unreadHybrid(n)
		}
		m := n.Log.Current(facts.SigDHMCOff, facts.SigDHMCFailed, facts.SigNotYetRegistered, facts.SigProfileFailed, facts.SigCredsFailed, facts.SigHibernate)
		switch {
		case m.Unread():
			return unreadLog(n)
		case !m.Yes() && n.Acceptance.Now == node.Yes:
			return pass("accepted without an instance profile: Default Host Management")
		case !m.Yes():
			return unknown("no instance profile is attached; whether Default Host Management is on shows once the agent has tried")
		case n.Log.StartedAfter(m.Match):
			return unknown("no instance profile is attached; the agent was started after its last refusal, and whether Default Host Management is on now shows once it has tried")
		}
		fd := stops(n, "no-credential-source", Likely, "no credentials: no instance profile is attached and Default Host Management gives none")
		if strings.Contains(m.Text, "not configured for account") {
			fd = fd.say("no credentials: no instance profile is attached, and Default Host Management is off for this account and Region").sure(Proven)
		}
		fd = fd.saw("imds GET iam/info", "404, no instance profile attached", p.From).logged(m)
		if b, asleep := n.Sleeping(); asleep == node.Yes {
			fd = fd.sawAt("back-off", "sleeping until "+n.ClockTime(b.Until), "file:agent log", b.Since)
		}
		return fd
	},
})
