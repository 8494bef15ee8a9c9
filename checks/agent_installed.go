package checks

import (
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// AgentInstalled is agent-installed.
var AgentInstalled = register(Check{
	ID: "agent-installed", Group: "agent", Title: "The SSM Agent is installed",
	Station:  AtAgent,
	Profiles: []Profile{ProfileHost, ProfileImage},
	Needs:    []*Check{OSSupported},
	Causes:   []string{"agent-not-installed"},
	Doc: "Looks for the agent as deb, rpm, snap or bare executable, in the package databases and at the known places, and for its unit; on Bottlerocket, for the host container that holds it. " +
		"An agent at an unusual place is found only while it runs or a unit names it; one in a container is not this host's.",
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
		if fd, missing := imageMissing(n); missing {
			return fd
		}
		var list []text.Text
		for _, in := range a.Installations.Some() {
			list = append(list, text.New("%s %s in %s", in.Kind, text.Or(in.Version.Value, "version unknown"), in.Dir))
		}
		if len(list) == 0 {
			return withOthers(n, pass("running, installed at an unusual place"))
		}
		return withOthers(n, pass("%s", text.Join(list, "; ")))
	},
})

func notInstalled(n *node.Node) Finding {
	if n.Platform().Family == "bottlerocket" {
		return notOnBottlerocket(n)
	}
	fd := stops(n, "agent-not-installed", Proven, "no SSM Agent is installed: %s", missingParts(n))
	fd = fd.saw(n.Layout().Label, "no amazon-ssm-agent", n.Facts.Agent.Installations.From)
	for _, u := range n.Facts.Agent.Units.Some() {
		fd = fd.saw(n.ShowUnit(u.Name), u.Load, n.ServiceManager(u.Name))
		if u.Load == "loaded" && u.Exec != "" && u.Program.Absent() {
			fd = fd.say("the SSM Agent is not installed: only its unit %s is left, which starts %s, and that does not exist", u.Name, u.Exec)
		}
	}
	if d, ok := n.Facts.Host.Distro.Get(); ok {
		fd = fd.with("package", d.ID).saw("operating system", text.Or(d.Name, d.ID), n.Facts.Host.Distro.From)
	}
	return withOthers(n, fd)
}

// missingParts are what a system would have of an installed agent.
func missingParts(n *node.Node) string {
	if n.Facts.Host.GOOS == "linux" || n.Facts.Host.GOOS == "" {
		return "no package, no snap, no executable, no service"
	}
	return "no executable, no service"
}

// notOnBottlerocket is the finding for Bottlerocket without its host container "control",
// which holds the agent.
func notOnBottlerocket(n *node.Node) Finding {
	fd := stops(n, "agent-not-installed", Proven, "the host container control, which holds the SSM Agent on Bottlerocket, is not enabled").
		saw("units", "no host-containers@control", n.Facts.Agent.Units.From).
		fix(causes.Step{Text: "Enable the host container with the agent; the setting stays", Command: "apiclient set host-containers.control.enabled=true", Where: causes.OnHost, Root: true, GOOS: "linux"}, causes.Again)
	return withOthers(n, fd)
}

// imageMissing is the finding for a host container that runs without its image, which
// holds the agent: Bottlerocket fetches it from Amazon ECR when the container starts.
func imageMissing(n *node.Node) (Finding, bool) {
	u := n.Agent.Unit
	m, ok := n.LatestNote(facts.NotePull)
	if !ok || u == nil || !strings.HasPrefix(u.Name, "host-containers@") || n.Agent.Core != node.No || isPast(n, m.At) {
		return Finding{}, false
	}
	on := func(text, command string) causes.Step {
		return causes.Step{Text: text, Command: command, Where: causes.OnHost, Root: true, GOOS: "linux"}
	}
	return stops(n, "agent-not-installed", Proven, "the image of the host container control, which holds the SSM Agent on Bottlerocket, was not pulled").
		sawAt("log of the system", m.Text, m.From, m.At).saw("process table", "no amazon-ssm-agent", n.Facts.Agent.Processes.From).with("unit", u.Name).
		fix(on("Check which image it is and why it was not pulled: it comes from Amazon ECR, for which the host needs the internet, a proxy, or the VPC endpoints ecr.api, ecr.dkr and s3", "apiclient get settings.host-containers.control; journalctl -u {unit} -n 50 --no-pager"),
			on("Once the way is open, start the container again", "systemctl restart {unit}"), causes.Again), true
}
