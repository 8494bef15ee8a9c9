package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
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
		case n.Credentials.OnDHMC == node.Yes && n.Log.CurrentCredentials(facts.SigDHMCOff).Found == node.No:
			return pass("Default Host Management")
		case p.Unknown():
			return unread("instance profile", p)
		case n.Identity.Hybrid == node.Unknown:
			return unreadHybrid(n)
		case n.Agent.OlderThan(leastDHMC) == node.Yes:
			return tooOldForDHMC(n)
		}
		if n.Facts.IMDS.Role.Absent() && n.Facts.IMDS.Role.Reason() == facts.EmptyRoleList && n.Acceptance.Now != node.Yes {
			return emptyRoleList(n)
		}
		m := n.Log.CurrentCredentials(facts.SigDHMCOff, facts.SigDHMCFailed, facts.SigNotYetRegistered, facts.SigProfileFailed, facts.SigCredsFailed)
		if m.Found == node.No {
			m = n.Log.Current(facts.SigHibernate)
		}
		switch held := n.Credentials.Held; {
		case !m.Yes() && held.Refused.Yes():
			return unknown("no instance profile is attached, and AWS refuses the credentials that the agent holds; whether Default Host Management is on shows once it asks for others")
		case !m.Yes() && held.Source == facts.SourceProfile && n.Acceptance.Now == node.Yes:
			return detached(n)
		case m.Unread():
			return unreadLog(n)
		case !m.Yes() && n.Acceptance.Now == node.Yes:
			return pass("accepted without an instance profile: Default Host Management")
		case !m.Yes():
			return maybeNone(n, unknown("no instance profile is attached; whether Default Host Management is on shows once the agent has tried"))
		case n.Log.StartedAfter(m.Match):
			return maybeNone(n, unknown("no instance profile is attached; the agent was started after its last refusal, and whether Default Host Management is on now shows once it has tried"))
		}
		if e := n.Log.CurrentCredentials(facts.SigInvalidInstance); e.Yes() {
			if r, ok := n.QuotedBy(e.Match); ok && !m.Last.After(e.Last) { // that of Default Host Management
				return unknownInstance(n, e, r)
			}
		}
		fd := blocks("no-credential-source", Likely, "no credentials: no instance profile is attached and Default Host Management gives none")
		if strings.Contains(m.Text, "not configured for account") {
			fd = fd.say("no credentials: no instance profile is attached, and Default Host Management is off for this account and Region").sure(Proven)
		}
		fd = fd.saw("imds GET iam/info", "404, no instance profile attached", p.From).logged(m)
		if b, asleep := n.Sleeping(); asleep == node.Yes {
			fd = fd.sawAt("back-off", "sleeping until "+n.ClockTime(b.Until), "file:agent log", b.Since)
		}
		return endsWithCredentials(n, fd)
	},
})

// emptyRoleList is the finding of a metadata service that has a list of roles, and nothing in
// it: the agent takes that for a failure, and does not try Default Host Management.
func emptyRoleList(n *node.Node) Finding {
	fd := blocks("no-credential-source", Likely, "no credentials: the list of roles of the metadata service is empty, as after a profile was taken off; then the agent does not try Default Host Management either").
		saw("imds GET iam/security-credentials/", "200, empty", n.Facts.IMDS.Role.From).
		logged(n.Log.CurrentCredentials(facts.SigDHMCSkipped, facts.SigCredsFailed)).fix(causes.AttachProfile...)
	return endsWithCredentials(n, fd)
}

// tooOldForDHMC is the finding of an agent that only an instance profile can serve.
func tooOldForDHMC(n *node.Node) Finding {
	p := n.Facts.IMDS.Profile
	steps := causes.Get("no-credential-source").Fix
	restart := slices.IndexFunc(steps, func(s causes.Step) bool { return s.Where == causes.OnHost })
	steps = slices.Insert(slices.Clone(steps), restart, causes.Step{Text: "For Default Host Management update the agent too: it needs {version} or later", Command: "{reinstall}", Where: causes.OnHost, Root: true})
	fd := blocks("no-credential-source", Proven, "no credentials: no instance profile is attached, and agent %s cannot use Default Host Management, which needs %s", n.Agent.Version, leastDHMC).
		saw("imds GET iam/info", text.Or(p.Reason(), "404")+", no instance profile attached", p.From).
		saw("agent version", n.Agent.Version, text.Or(n.Facts.Agent.Running.From, n.Facts.Agent.Installed.From)).
		logged(n.Log.Current(facts.SigHibernate)).fix(steps...).with("version", leastDHMC)
	return endsWithCredentials(n, fd)
}

// detached is the finding of an agent that still works with the credentials of a profile
// that the instance no longer has.
func detached(n *node.Node) Finding {
	held := n.Credentials.Held
	fd := breaks("no-credential-source", Possible, "no instance profile is attached any more, and the agent holds the last credentials of the old one").
		saw("imds GET iam/info", "404, no instance profile attached", n.Facts.IMDS.Profile.From).
		sawAt("credentials in use", "of the instance profile, until "+text.Stamp(held.Until), held.From, held.Since)
	if held.Until.After(n.Now()) {
		fd.Until = held.Until
		fd = fd.add("; unless Default Host Management is on, the node is lost at %s (in %s)", n.ClockTime(held.Until), text.Span(held.Until.Sub(n.Now())))
		return fd
	}
	return fd.add("; unless Default Host Management is on, the node is lost when they end")
}

// maybeNone adds the note that a node which is not accepted may lack credentials
// besides what else is in its way.
func maybeNone(n *node.Node, fd Finding) Finding {
	if n.Acceptance.Now != node.No {
		return fd
	}
	return fd.and(notes("no-credential-source", Possible, "no instance profile is attached: unless Default Host Management is on, the agent has no credentials once nothing else is in its way").
		saw("imds GET iam/info", "404, no instance profile attached", n.Facts.IMDS.Profile.From))
}
