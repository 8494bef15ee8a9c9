package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// AgentWorker is agent-worker.
var AgentWorker = register(Check{
	ID: "agent-worker", Group: "agent", Title: "The agent's worker process runs",
	Station: AtAgent, Behind: AtAcceptance,
	Needs: []*Check{AgentStable},
	Doc: "From 3.2 on the core process starts its worker only once credentials are ready, so a core without a worker is the best local sign of a node that is not accepted. " +
		"It is a consequence: other checks name the cause.",
	Eval: func(n *node.Node) Finding {
		switch {
		case n.Agent.Core == node.Unknown:
			return unread("processes", n.Facts.Agent.Processes)
		case n.Agent.Core == node.No:
			return skip("the agent does not run")
		case n.Agent.Separate == node.No:
			return skip("agents before 3.0 have no worker")
		case n.Agent.Worker == node.Unknown:
			return unread("processes", n.Facts.Agent.Processes)
		case n.Agent.Worker == node.Yes:
			return pass("core and worker run")
		case n.Agent.Separate == node.Unknown:
			return unknown("the core runs without a worker, and whether this agent has one is not known: its version is not known")
		}
		if m := n.Log.Current(facts.SigWorkerStart); m.Yes() && !n.Log.StartedAfter(m.Match) {
			return symptom("the core cannot start its worker: %s", textFrom(m.Text, "failed to start worker")).logged(m)
		}
		if e, _ := workerEnded(n); e.Yes() {
			return symptom("the core started its worker %s, and it runs no more", n.Ago(e.Last)).logged(e)
		}
		return symptom("the core runs without its worker: the agent has had no usable credentials since its start")
	},
})
