package checks

import "ssm-doctor/checks/node"

// AgentRunningVersion is agent-running-version.
var AgentRunningVersion = register(Check{
	ID: "agent-running-version", Group: "agent", Title: "The running agent is the installed one",
	Station: AtAgent,
	Doc: "Compares the version on disk with that of the running process, and looks for executables replaced since the start. A difference means an update that was not followed by a restart. " +
		"It names no cause: the older process works until it is restarted.",
	Eval: func(n *node.Node) Finding {
		a := n.Facts.Agent
		installed, running := a.Installed.Value, a.Running.Value
		if n.Agent.Core == node.No {
			return skip("the agent does not run")
		}
		for _, p := range a.Processes.Some().Core {
			if p.Gone {
				return skip("the agent's program is not there: see agent-packaging")
			}
			if p.Deleted {
				return warns("the agent's executable was replaced since it started; restart it to run the new one")
			}
		}
		switch {
		case n.Agent.Core == node.Unknown, a.Processes.Unknown():
			return unread("processes", a.Processes)
		case !a.Running.Known():
			return unread("running version", a.Running)
		case a.Installed.Absent():
			return skip("no installation was found to compare with")
		case a.Installed.Unknown():
			return unread("installed version", a.Installed)
		case node.OlderThan(installed, running) == node.Yes, node.OlderThan(running, installed) == node.Yes:
			return warns("running %s, installed %s; restart the agent to run the installed one", running, installed)
		case installed != running && node.OlderThan(installed, running) == node.Unknown:
			return unknown("running %s, installed %s: these cannot be compared", running, installed)
		}
		return pass("%s", running)
	},
})
