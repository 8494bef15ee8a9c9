package checks

import (
	"path"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// This file holds the programs that the core of the agent starts.

// leastSession is the first agent with Session Manager, and a program for it.
// Source: AWS Systems Manager User Guide, prerequisites of Session Manager.
const leastSession = "2.3.68.0"

// partWork is what does not work without a program that the core starts.
var partWork = map[string]string{
	"ssm-agent-worker":    "neither commands nor sessions reach this node once the agent starts again",
	"ssm-document-worker": "commands and associations do not run",
	"ssm-session-worker":  "sessions do not open",
	"ssm-session-logger":  "sessions cannot be logged",
}

// partsInUse is the installation whose core runs, or the only one.
func partsInUse(n *node.Node) (facts.Installation, bool) {
	list := n.Facts.Agent.Installations.Some()
	for _, in := range list {
		if u := n.Agent.Unit; len(list) == 1 || u != nil && path.Dir(u.Exec) == in.Dir {
			return in, true
		}
	}
	return facts.Installation{}, false
}
