package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// OSSupported is os-supported.
var OSSupported = register(Check{
	ID: "os-supported", Group: "agent", Title: "AWS has an SSM Agent for this operating system",
	Station:  AtAgent,
	Profiles: []Profile{ProfileHost, ProfileImage},
	Causes:   []string{"os-unsupported"},
	Doc: "Compares the distribution of os-release, and those it is derived from, with the systems for which AWS builds the agent, and the processor with those it is built for. " +
		"Looks only where no agent is installed: one that somebody built may work elsewhere. Which releases of a distribution are supported is not looked at.",
	Eval: func(n *node.Node) Finding {
		p := n.Platform()
		switch {
		case n.Identity.InECS == node.Yes:
			return skip("in an ECS task the agent comes with execute-command")
		case n.Identity.InECS == node.Unknown:
			return unread("whether this is a task of Amazon ECS", n.Facts.ECS.Task)
		case n.Agent.Installed == node.Yes:
			return pass("an agent is installed")
		case p.Supported == node.Yes:
			return pass("%s", text.Or(p.Name, "supported"))
		case p.Supported == node.Unknown && n.Facts.Host.Distro.Unknown():
			return unread("operating system", n.Facts.Host.Distro)
		case p.Supported == node.Unknown:
			return unknown("whether AWS has an agent for this operating system is not known")
		case n.Agent.Installed == node.Unknown:
			return unread("installations", n.Facts.Agent.Installations)
		case n.Agent.Core == node.Unknown && n.Facts.Live():
			return unread("processes", n.Facts.Agent.Processes)
		}
		fd := stops(n, "os-unsupported", Proven, "AWS has no SSM Agent for %s and does not support it: %s", p.Name, p.Why).
			saw("operating system", p.Name, n.Facts.Host.Distro.From).
			saw("package databases and the known places", "no amazon-ssm-agent", n.Facts.Agent.Installations.From)
		if len(p.Do) == 0 {
			return fd
		}
		// What the makers of the system offer stands beside what AWS does.
		usual := causes.Get(fd.Cause).Fix
		fd = fd.fix(usual[0])
		for _, s := range stepsOf(p.Do) {
			s.Alternative = true
			fd = fd.fix(s)
		}
		return fd.fix(usual[1:]...)
	},
})
