package checks

import (
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// leastDiagnostics is the first agent with ssm-cli get-diagnostics, released in 2021.
// Source: AWS Systems Manager User Guide.
const leastDiagnostics = "3.1.501.0"

// AgentVersion is agent-version.
var AgentVersion = register(Check{
	ID: "agent-version", Group: "agent", Title: "The agent is new enough for what this host depends on",
	Station: AtAgent,
	Needs:   []*Check{ImdsV2Agent},
	Causes:  []string{"agent-version-too-old", "platform-unsupported"},
	Doc: "Compares the agent's version with what this host needs: Default Host Management from 3.2.582.0 where no instance profile is attached, Session Manager from 2.3.68.0. " +
		"Whether a newer release exists is not asked: that would need the network. " +
		"What is known not to work on this operating system is a note, with the day of that knowledge.",
	Eval: func(n *node.Node) Finding {
		v := n.Agent.Version
		beforeDHMC := n.Agent.OlderThan(leastDHMC)
		dhmc, unsure := needsDHMC(n)
		switch {
		case v == "" && n.Agent.Installed == node.No:
			return skip("no agent is installed")
		case v == "":
			return unread("version", n.Facts.Agent.Installed)
		case beforeDHMC == node.Unknown:
			return unknown("version %s cannot be read", text.Quote(v))
		case n.Agent.OlderThan(leastSession) == node.Yes:
			return tooOld(n, leastSession, "agent %s has no Session Manager, which needs %s")
		case beforeDHMC == node.Yes && dhmc == node.Yes:
			return warns("agent %s cannot use Default Host Management, which needs %s; an instance profile serves any release", v, leastDHMC)
		case n.Agent.OlderThan(leastDiagnostics) == node.Yes:
			return warns("agent %s is too old: released in 2021 or before; update it", v)
		case beforeDHMC == node.Yes && dhmc == node.Unknown:
			return unsure.add("; agent %s could not use Default Host Management, which needs %s", v, leastDHMC)
		}
		return withPlatform(n, pass("%s", v))
	},
})

// withPlatform adds what is known not to work on this system, as a note.
func withPlatform(n *node.Node, fd Finding) Finding {
	list := n.Unsupported()
	if len(list) == 0 {
		return fd
	}
	d := n.Facts.Host.Distro
	note := notes("platform-unsupported", Likely, "%s (as of %s)", list[0].What, node.ReleasesAsOf).saw("operating system", text.Or(d.Value.Name, d.Value.ID), d.From)
	for _, p := range list {
		note = note.saw("support of the system, as of "+node.ReleasesAsOf, p.What, p.Source)
	}
	return fd.and(note)
}

// needsDHMC tells whether only Default Host Management can give this host credentials,
// and what is not known of that.
func needsDHMC(n *node.Node) (answer node.Answer, unsure Finding) {
	switch profile := n.Facts.IMDS.Profile; {
	case n.Identity.OnEC2 == node.No, n.Identity.Hybrid == node.Yes, profile.Known():
		return node.No, Finding{}
	case n.Identity.OnEC2 == node.Unknown:
		return node.Unknown, unknown("whether this is an EC2 instance is not known")
	case n.Identity.Hybrid == node.Unknown:
		return node.Unknown, unread("hybrid registration", n.Facts.Registration.Hybrid)
	case profile.Unknown():
		return node.Unknown, unread("instance profile", profile)
	}
	return node.Yes, Finding{}
}

// tooOld names the version, of which the summary says that it is older than least.
func tooOld(n *node.Node, least, format string) Finding {
	from := n.Facts.Agent.Running.From
	if v, ok := n.Facts.Agent.Running.Get(); !ok || v == "" {
		from = n.Facts.Agent.Installed.From
	}
	return withPackaging(n, breaks("agent-version-too-old", Proven, format, n.Agent.Version, least).
		saw("agent version", n.Agent.Version, from).with("version", least))
}
