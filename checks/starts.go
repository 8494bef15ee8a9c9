package checks

import (
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// endedAtStart is the entry with which an agent that does not run ended its last start.
func endedAtStart(n *node.Node) node.Entry {
	e := n.Log.Latest(facts.SigStartFailed, facts.SigNoIdentity, facts.SigBusStart, facts.SigConfigUnusable, facts.SigRegionFailed)
	u := n.Agent.Unit
	if !e.Yes() || !strings.Contains(strings.ToLower(e.Text), "occurred when starting") || n.Agent.Core != node.No || n.Log.StartedAfter(e.Match) || n.Acceptance.Last.At.After(e.Last) ||
		u != nil && !u.StartedAt.IsZero() && u.StartedAt.After(e.Last.Add(time.Minute)) {
		return node.Entry{Found: node.No}
	}
	return e
}

// endedByItself is the entry of an agent that ended its last start for a reason of its own.
// What it lacked of the world around it, an identity or a Region, another start can have.
func endedByItself(n *node.Node) node.Entry {
	e := endedAtStart(n)
	if lacksWorld(e) && !metadataSwitchedOff(n).Yes() {
		return node.Entry{Found: node.No}
	}
	return e
}

// lacksWorld reports whether a start ended for lack of what the world around gives.
func lacksWorld(e node.Entry) bool {
	lower := strings.ToLower(e.Text)
	return strings.Contains(lower, "identity") || strings.Contains(lower, "region")
}

// metadataSwitchedOff is the entry by which the agent was started last with metadata
// switched off in its environment.
func metadataSwitchedOff(n *node.Node) node.Entry {
	if asked := n.Log.Last(facts.SigIMDSFailed); strings.Contains(asked.Text, "disabled via "+noMetadata) && !n.Log.StartedAfter(asked.Match) {
		return asked
	}
	return node.Entry{Found: node.No}
}

// noMetadata is the variable by which the SDK asks no metadata service.
const noMetadata = "AWS_EC2_METADATA_DISABLED"
