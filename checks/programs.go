package checks

import (
	"path"
	"time"

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

// The core starts its worker again within a minute of its end, by default. A worker that
// was started so often, and on average in less than workerRest, does not stay up.
// Source: amazon-ssm-agent 3.3, core/workerprovider/longrunningprovider, and
// LongRunningWorkerMonitorIntervalSeconds.
const (
	workerStarts = 4
	workerRest   = 10 * time.Minute
)

// workerEnded is the core's latest start of its worker, where it can be seen that this worker
// has ended since, or that it keeps ending; often tells the second.
func workerEnded(n *node.Node) (e node.Entry, often bool) {
	none := node.Entry{Found: node.No}
	e = n.Log.Last(facts.SigWorkerRestart)
	failed := n.Log.Last(facts.SigWorkerStart)
	if !e.Yes() || n.Agent.Core != node.Yes || n.Agent.Separate != node.Yes || n.Log.StartedAfter(e.Match) || n.Age(e.Last) < 0 ||
		failed.Yes() && !failed.Last.Before(e.Last) || n.Agent.Unit != nil && n.Agent.Unit.Active == "deactivating" {
		return none, false
	}
	ofThisStart := func(t time.Time) bool { return !t.IsZero() && !n.Log.StartedAfter(facts.Match{Last: t}) }
	switch n.Agent.Worker {
	case node.No:
		return e, ofThisStart(e.Before)
	case node.Yes:
		if ofThisStart(e.First) && e.Count >= workerStarts && n.Age(e.Last) < workerRest && e.Last.Sub(e.First) < time.Duration(e.Count)*workerRest {
			return e, true
		}
	}
	return none, false
}
