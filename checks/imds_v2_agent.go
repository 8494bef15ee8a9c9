package checks

import "ssm-doctor/checks/node"

// ImdsV2Agent is imds-v2-agent.
var ImdsV2Agent = register(Check{
	ID: "imds-v2-agent", Group: "imds", Title: "The agent speaks the metadata version that is required",
	Station: AtMetadata,
	Needs:   []*Check{ImdsReachable},
	Causes:  []string{"imdsv2-required-old-agent"},
	Doc: "Agents before 2.3.842.0 are not known to speak IMDSv2. Where the instance requires tokens, such an agent most likely cannot read metadata. " +
		"A node that is accepted shows that its agent can, whatever its version.",
	Eval: func(n *node.Node) Finding {
		v := n.Agent.Version
		one, told := n.Facts.IMDS.V1Allowed.Get()
		switch {
		case n.Identity.OnEC2 == node.No:
			return skip("the agent does not use the metadata service here")
		case n.Identity.OnEC2 == node.Unknown:
			return unknown("whether this is an EC2 instance is not known")
		case v == "":
			return unread("version", n.Facts.Agent.Installed)
		case n.Agent.OlderThan(node.LeastV2) == node.Unknown:
			return unknown("the version %s cannot be compared with %s", v, node.LeastV2)
		case n.Agent.OlderThan(node.LeastV2) == node.No:
			return pass("agent %s speaks IMDSv2", v)
		case n.Acceptance.Now == node.Yes:
			return pass("agent %s is accepted, so it can read metadata as they are", v)
		case n.Acceptance.Now == node.Unknown && n.Log.Read() != node.Yes:
			return unreadLog(n)
		case n.Identity.Hybrid == node.Yes:
			return skip("the agent does not use the metadata service here")
		case n.Identity.Hybrid == node.Unknown:
			return unread("registration", n.Facts.Registration.Hybrid)
		case !told:
			return unread("whether IMDSv1 is allowed", n.Facts.IMDS.V1Allowed)
		case one:
			return warns("agent %s speaks only IMDSv1, which is still allowed here", v)
		}
		from := n.Facts.Agent.Installed.From
		if n.Facts.Agent.Running.Known() {
			from = n.Facts.Agent.Running.From
		}
		return withPackaging(n, stops(n, "imdsv2-required-old-agent", Likely, "agent %s most likely speaks only IMDSv1, but this instance requires IMDSv2 tokens; IMDSv2 needs %s", v, node.LeastV2).
			saw("agent version", v, from).saw("imds GET without token", "401", n.Facts.IMDS.Bare.From).with("version", node.LeastV2))
	},
})
