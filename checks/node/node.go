// Package node is the model of one node: who it is, what its agent does, what
// the agent's log says, what it signs with, whether the service accepts it. It is
// built once from the facts; checks, diagnosis, measures, reports and the reads of
// rights share it, so that one question has one answer.
package node

import (
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/text"
)

// Answer is yes, no, or that it could not be told. The zero Answer is Unknown.
type Answer uint8

// Answers.
const (
	Unknown Answer = iota
	No
	Yes
)

func (a Answer) String() string { return [...]string{"unknown", "no", "yes"}[a] }

// answer is Yes or No.
func answer(yes bool) Answer {
	if yes {
		return Yes
	}
	return No
}

// ifKnown is the answer, where it is known, else Unknown.
func ifKnown(yes, known bool) Answer {
	if !known {
		return Unknown
	}
	return answer(yes)
}

// not turns an answer round; Unknown stays.
func not(a Answer) Answer {
	switch a {
	case Yes:
		return No
	case No:
		return Yes
	}
	return Unknown
}

// Node is one host as Systems Manager sees it, as far as it could be told.
type Node struct {
	// Facts are what the model was made of, for evidence and for single facts that
	// concern one check.
	Facts *facts.Facts

	Identity    Identity
	Agent       Agent
	Log         Log
	Credentials Credentials
	Channel     Channel
	Acceptance  Acceptance
	Refusals    Refusals
	Endpoints   Endpoints
}

// Of builds the model. It does not change f and does not keep what it points to
// from being read; f must not change while the model is used.
func Of(f *facts.Facts) *Node {
	n := &Node{Facts: f}
	n.Identity = identityOf(f)
	n.Agent = agentOf(f, n.Identity)
	n.Log = logOf(f)
	n.Credentials = credentialsOf(n)
	n.Endpoints = endpointsOf(f)
	n.Channel = channelOf(n)
	n.Acceptance = acceptanceOf(n)
	n.Log.accepted = n.Acceptance.Last.At
	n.Refusals = refusalsOf(n)
	return n
}

// Now is the time of the run by the host's clock.
func (n *Node) Now() time.Time { return n.Facts.CollectedAt }

// Age is the time between t and the run; 0 when t is not set, negative when t
// lies ahead.
func (n *Node) Age(t time.Time) time.Duration { return age(n.Facts, t) }

// Ago renders a time relative to the run, such as "4 min ago".
func (n *Node) Ago(t time.Time) string {
	switch d := n.Age(t); {
	case d < 0:
		return "in " + text.Span(-d)
	case d < 2*time.Second:
		return "just now"
	default:
		return text.Span(d) + " ago"
	}
}

// ClockTime renders a time as the host's own clock shows it.
func (n *Node) ClockTime(t time.Time) string {
	if off, ok := n.Facts.Host.UTCOffset.Get(); ok && off != 0 {
		return t.In(time.FixedZone("", off)).Format("15:04:05 -07:00")
	}
	return t.UTC().Format("15:04:05 UTC")
}

// Layout is where the agent of this system keeps its things.
func (n *Node) Layout() facts.Layout {
	l := facts.LayoutOf(n.Facts.Host.GOOS)
	if own := n.Facts.Agent.Folders; own.Data != "" {
		l = own
	}
	if n.Facts.Host.Distro.Value.ID == "bottlerocket" {
		const ssm = "/local/host-containers/control/ssm"
		l.Data, l.Vault, l.Runtime = ssm, ssm+"/Vault", ssm+"/runtimeconfig"
	}
	return l
}

func age(f *facts.Facts, t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return f.CollectedAt.Sub(t)
}

// isAhead reports whether a time lies so far in the future that another clock, or
// another time zone, wrote it.
func isAhead(f *facts.Facts, t time.Time) bool { return age(f, t) < -5*time.Minute }
