package checks

import (
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// AgentInstalled is agent-installed.
var AgentInstalled = register(Check{
	ID: "agent-installed", Group: "agent", Title: "The SSM Agent is installed",
	Station:  AtAgent,
	Profiles: []Profile{ProfileHost, ProfileImage},
	Causes:   []string{"agent-not-installed"},
	Doc: "Looks for the agent as deb, rpm, snap or bare executable, in the package databases and at the known places, and for its unit. " +
		"An agent at an unusual place is found only while it runs.",
	Eval: func(n *node.Node) Finding {
		a := n.Facts.Agent
		switch {
		case n.Identity.InECS == node.Yes:
			return skip("in an ECS task the agent comes with execute-command")
		case n.Identity.InECS == node.Unknown:
			return unread("whether this is a task of Amazon ECS", n.Facts.ECS.Task)
		case n.Agent.Installed == node.Unknown:
			return unread("installations", a.Installations)
		case n.Agent.Installed == node.No && n.Agent.Core == node.Unknown && n.Facts.Live():
			return unread("processes", a.Processes) // an agent at an unusual place may run
		case n.Agent.Installed == node.No:
			return notInstalled(n)
		}
		var list []text.Text
		for _, in := range a.Installations.Some() {
			list = append(list, text.New("%s %s in %s", in.Kind, text.Or(in.Version.Value, "version unknown"), in.Dir))
		}
		if len(list) == 0 {
			return pass("running, installed at an unusual place")
		}
		return pass("%s", text.Join(list, "; "))
	},
})

func notInstalled(n *node.Node) Finding {
	fd := stops(n, "agent-not-installed", Proven, "no SSM Agent is installed: no package, no snap, no executable, no service").
		saw("package databases and the known places", "no amazon-ssm-agent", n.Facts.Agent.Installations.From)
	for _, u := range n.Facts.Agent.Units.Some() {
		fd = fd.saw(n.ShowUnit(u.Name), u.Load, n.ServiceManager(u.Name))
	}
	if d, ok := n.Facts.Host.Distro.Get(); ok {
		fd = fd.with("package", d.ID)
	}
	return fd
}
