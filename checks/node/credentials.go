package node

import "ssm-doctor/checks/facts"

// Credentials is what the agent signs with.
type Credentials struct {
	// Source is a facts.Source constant; facts.SourceNone: there is none; empty: it
	// could not be told.
	Source string
	// Next is what the agent would try next; empty: nothing.
	Next string
	// OnProfile: the agent signs with the instance profile, or would. OnDHMC: it uses
	// the role of Default Host Management, by its runtime configuration or its latest
	// success.
	OnProfile, OnDHMC Answer
}

func credentialsOf(n *Node) Credentials {
	c := Credentials{OnDHMC: onDHMC(n)}
	c.OnProfile = onProfile(n, c.OnDHMC)
	// In a task of Amazon ECS the agent signs with the task's role.
	c.OnDHMC, c.OnProfile = outsideTask(n, c.OnDHMC), outsideTask(n, c.OnProfile)
	switch {
	case n.Identity.InECS == Yes:
		c.Source = facts.SourceTask
	case n.Identity.InECS == Unknown:
	case n.Identity.Hybrid == Yes:
		c.Source = facts.SourceHybrid
	case c.OnDHMC == Yes:
		c.Source, c.Next = facts.SourceDHMC, facts.SourceProfile
	case c.OnProfile == Yes:
		c.Source, c.Next = facts.SourceProfile, facts.SourceDHMC
	case n.Identity.Hybrid == No && c.OnDHMC == No && c.OnProfile == No:
		c.Source = facts.SourceNone
		if n.Identity.OnEC2 == Yes {
			c.Next = facts.SourceDHMC
		}
	}
	return c
}

// outsideTask is an answer that would hold if this is not a task.
func outsideTask(n *Node, a Answer) Answer {
	switch {
	case n.Identity.InECS == Yes:
		return No
	case a == Yes && n.Identity.InECS == Unknown:
		return Unknown
	}
	return a
}

func onDHMC(n *Node) Answer {
	switch {
	case n.Identity.OnEC2 == No, n.Identity.Hybrid == Yes:
		return No
	}
	if r, ok := n.Facts.Credentials.Runtime.Get(); ok && r.IdentityType == "EC2" && r.HasSource {
		return answer(r.Source == "SSM")
	}
	d, p := n.Log.Last(facts.SigDHMCOK), n.Log.Last(facts.SigProfileOK)
	switch {
	case d.Yes() && d.Last.After(p.Last):
		return Yes
	case !n.Facts.Credentials.Runtime.LookedAt():
		return Unknown
	case n.Facts.Credentials.Runtime.Unknown(), d.Unread():
		if n.Identity.OnEC2 == Unknown || !p.Yes() {
			return Unknown
		}
	}
	return No
}

func onProfile(n *Node, dhmc Answer) Answer {
	p := n.Facts.IMDS.Profile
	switch {
	case n.Identity.OnEC2 == No, n.Identity.Hybrid == Yes, p.Absent(), dhmc == Yes:
		return No
	case n.Identity.OnEC2 == Yes && p.Known() && !n.MayBeHybrid():
		// Tried first whatever else there is.
		// Source: amazon-ssm-agent, common/identity/availableidentities/ec2.
		return Yes
	}
	return Unknown
}
