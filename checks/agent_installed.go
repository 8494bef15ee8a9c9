package checks

import (
	"strings"

	"ssm-doctor/checks/causes"
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
	for _, p := range n.Unsupported() {
		if p.Feature == "" {
			return unsupportedSystem(n, fd, p)
		}
	}
	return fd
}

// ownPackage installs the package that a distribution builds itself.
var ownPackage = map[string]string{
	"alpine": "apk add amazon-ssm-agent && rc-update add amazon-ssm-agent default && rc-service amazon-ssm-agent start",
	"nixos":  "grep -rn amazon-ssm-agent /etc/nixos",
}

// unsupportedSystem replaces the remedy on a system that AWS has no agent for.
func unsupportedSystem(n *node.Node, fd Finding, p node.Platform) Finding {
	d := n.Facts.Host.Distro
	fd = fd.add(". %s", p.What).saw("operating system", text.Or(d.Value.Name, d.Value.ID), d.From).saw("support of the system, as of "+node.ReleasesAsOf, p.What, p.Source)
	if command := ownPackage[p.ID]; command != "" {
		fd = fd.fix(causes.Step{Text: "Install the package of the distribution, which AWS does not support", Command: command, Where: causes.OnHost, Root: true})
	}
	supported := "Use an operating system that AWS supports for the agent; the images of Amazon Linux have it"
	if len(fd.Fix) > 0 {
		supported = "Or use" + strings.TrimPrefix(supported, "Use")
	}
	return fd.fix(causes.Step{Text: supported, Where: causes.OperatorCLI, Alternative: len(fd.Fix) > 0,
		Command: "aws ssm get-parameter --region {region} --name /aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64 --query Parameter.Value"}).
		fix(causes.Step{Text: "Check again", Command: "ssm-doctor check --wait 5m", Where: causes.OnHost})
}
