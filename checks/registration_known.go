package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// RegistrationKnown is registration-known.
var RegistrationKnown = register(Check{
	ID: "registration-known", Group: "identity", Title: "The service knows this node's id",
	Station: AtAgent, Behind: AtCredentials,
	Causes: []string{"registration-orphaned"},
	Doc: "InvalidInstanceId means that the stored id no longer exists: the node was deregistered, or belongs to another account or Region. The agent keeps retrying. " +
		"Read from its log and from the answers to this program's own reads.",
	Eval: func(n *node.Node) Finding {
		for _, p := range n.Facts.Permissions.Actions.Some() {
			if p.Code == "InvalidInstanceId" && p.Identity == facts.SourceHybrid {
				return stops(n, "registration-orphaned", Proven, "the service does not know %s any more: its registration was deleted", nameOf(n)).
					sawAt(p.Action, p.Code+" "+text.Cut(p.Message, 200), p.From, p.At)
			}
		}
		m := n.Log.Current(facts.SigInvalidInstance)
		switch {
		case n.Identity.HybridMeant == node.No:
			return skip("no hybrid registration in use")
		case n.Identity.HybridMeant == node.Unknown && n.Identity.InECS == node.Unknown:
			return unread("whether this is an ECS task", n.Facts.ECS.Task)
		case n.Identity.HybridMeant == node.Unknown && n.Identity.OnEC2 == node.Unknown:
			return unreadFirmware(n)
		case n.Identity.HybridMeant == node.Unknown:
			return ifRefused(unreadHybrid(n), m)
		}
		switch {
		case m.Unread():
			return unreadLog(n)
		case !m.Yes() && !n.Facts.Permissions.Actions.LookedAt():
			return unread("this run's own reads", n.Facts.Permissions.Actions)
		case !m.Yes():
			if n.Acceptance.Now == node.Yes {
				return pass("accepted %s", n.Ago(n.Acceptance.Proof.At))
			}
			return unknown("the id was neither accepted nor refused lately")
		case n.Log.StartedAfter(m.Match):
			return unknown("the agent was started after the id was refused; whether it still is shows once it has tried")
		case n.Facts.Registration.Hybrid.Unknown():
			return ifRefused(unread("registration", n.Facts.Registration.Hybrid), m)
		case registeredAgain(n, m.Match):
			return notRestarted(n, m, "registration-orphaned")
		}
		return clearedOnEC2(n, stops(n, "registration-orphaned", Likely, "the service does not know %s any more: the registration was deleted, or belongs to another account or Region", nameOf(n)).
			logged(m).saw("registration in use", nameOf(n)+" "+n.Identity.Region, n.Facts.Registration.Hybrid.From))
	},
})

// ifRefused adds to an unknown that the service refused an id.
func ifRefused(fd Finding, m node.Entry) Finding {
	if !m.Yes() {
		return fd
	}
	return fd.add("; the service refused the id of a registration").logged(m).failing(Blocks)
}
