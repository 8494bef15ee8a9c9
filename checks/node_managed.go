package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// NodeManaged is node-managed.
var NodeManaged = register(Check{
	ID: "node-managed", Group: "none", Title: "The service accepts this node",
	Station: AtAcceptance,
	Needs:   []*Check{AgentWorker, AgentBackoff},
	Doc: "Looks for something that only an accepted call leaves behind: a heartbeat, a renewed credential, an open channel, recent enough and with no failure after it. " +
		"This is the proof of a managed node; everything else is the search for what is in the way.",
	Eval: func(n *node.Node) Finding {
		if p := n.Acceptance.Proof; n.Acceptance.Now == node.Yes {
			m := n.Log.Last(facts.SigHealthFailed)
			if m.Yes() && !n.Log.Last(facts.SigHealthOK).Last.After(m.Last) && node.IsServiceError(n.CodeOf(m.Match)) {
				return warns("accepted by its channel; its heartbeats are answered %s, last %s", n.CodeOf(m.Match), n.Ago(m.Last)).
					sawAt("last accepted call", text.Cut(p.What, 200), p.From, p.At).logged(m)
			}
			return pass("accepted %s", n.Ago(p.At)).sawAt("last accepted call", text.Cut(p.What, 200), p.From, p.At)
		}
		switch {
		case n.Log.Read() != node.Yes:
			return unreadLog(n)
		case n.Agent.Core == node.Unknown:
			return unread("processes", n.Facts.Agent.Processes)
		case !n.Acceptance.Last.At.IsZero() && node.IsServiceError(n.CodeOf(n.Acceptance.Failed)):
			return unknown("last accepted %s; since then AWS answers %s, which says that the service is busy or in trouble, and nothing of this node", n.Ago(n.Acceptance.Last.At), n.CodeOf(n.Acceptance.Failed))
		case !n.Acceptance.Last.At.IsZero():
			return unknown("last accepted %s, too long ago or followed by a failure", n.Ago(n.Acceptance.Last.At))
		case n.Facts.Credentials.Runtime.Unknown():
			return unread("runtime configuration", n.Facts.Credentials.Runtime)
		}
		return unknown("no accepted call is on record")
	},
})
