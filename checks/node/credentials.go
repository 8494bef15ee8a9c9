package node

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

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
	// Held are the credentials that the running agent signs with.
	Held Held
}

// Held are the credentials that an agent got and keeps until their end, whatever becomes
// of their source. Halfway to the end it asks for new ones.
type Held struct {
	// Source is where they came from (facts.Source constants); empty: not known, or none.
	Source string
	// Since and Until are when they were obtained and when they end; zero: not known.
	Since, Until time.Time
	From         string
	// Refused is the latest entry with which AWS refused them as such, so every call
	// that is signed with them: they are unknown to it, or at their end.
	Refused Entry
	// Replaced: the instance has another profile, or none, than the one that they
	// are of.
	Replaced Answer
}

// Renewal is when the agent asks for new ones; zero: not known.
func (h Held) Renewal() time.Time {
	if h.Since.IsZero() || h.Until.IsZero() {
		return time.Time{}
	}
	return h.Since.Add(h.Until.Sub(h.Since) / 2)
}

// Valid reports whether they have not ended at a time, as far as is known.
func (h Held) Valid(at time.Time) bool { return h.Until.After(at) }

var rotationIn = pattern.New(`rotation will be in ([0-9.]{1,20}) (minute|hour|second)`)

// heldOf are the credentials that the agent stored or, without that, announced.
func heldOf(n *Node) Held {
	var h Held
	rt := n.Facts.Credentials.Runtime
	if r, ok := rt.Get(); ok && r.ExpiresAt.Year() > 1 && (r.Source != "" || !r.HasSource) && !isAhead(n.Facts, r.RetrievedAt) {
		h = Held{Since: r.RetrievedAt, Until: r.ExpiresAt, From: rt.From, Source: sourceOfRuntime(r)}
	}
	if m := notAhead(n, n.Log.Last(facts.SigRotation)); m.Yes() && m.Last.After(h.Since.Add(time.Minute)) {
		if x := rotationIn.FindStringSubmatch(m.Text); x != nil {
			if d, err := time.ParseDuration(x[1] + x[2][:1]); err == nil && d > 0 && d < 24*time.Hour {
				h = Held{Since: m.Last, Until: m.Last.Add(2 * d), From: "file:" + m.File, Source: h.Source}
			}
		}
	}
	if h.Source == "" {
		h.Source = sourceOfLog(n)
	}
	h.Refused = heldRefused(n, h)
	h.Replaced = replaced(n, h)
	return h
}

func sourceOfRuntime(r facts.Runtime) string {
	switch {
	case r.IdentityType == "OnPrem":
		return facts.SourceHybrid
	case r.IdentityType == "EC2" && r.Source == "EC2":
		return facts.SourceProfile
	case r.IdentityType == "EC2" && r.Source == "SSM":
		return facts.SourceDHMC
	}
	return ""
}

// sourceOfLog is the source that the agent chose last, by its log.
func sourceOfLog(n *Node) string {
	switch m := notAhead(n, n.Log.Latest(facts.SigProfileOK, facts.SigDHMCOK)); {
	case !m.Yes():
		return ""
	case m.ID == facts.SigDHMCOK:
		return facts.SourceDHMC
	}
	return facts.SourceProfile
}

// ofWorker are the entries in which the running agent quotes the answer to a call that
// it signed with the credentials it holds.
var ofWorker = []string{facts.SigHealthFailed, facts.SigAssociations, facts.SigMDSFailed, facts.SigChannelToken, facts.SigChannelFailed, facts.SigWebSocketFailed}

// heldRefused is the latest refusal of the credentials themselves since they were obtained.
func heldRefused(n *Node, h Held) Entry {
	out := n.Log.missing()
	for _, r := range n.Facts.Log.Refusals.Some() {
		if !slices.Contains(refusesKeys, r.Code) || !slices.Contains(ofWorker, r.Match) || isAhead(n.Facts, r.At) || !r.At.After(h.Since) || r.At.Before(out.Last) {
			continue
		}
		m := facts.Match{ID: r.Match, Count: 1, First: r.At, Last: r.At, Text: r.Code + ": " + r.Text, File: text.Or(r.File, "agent log")}
		if !n.Log.StartedAfter(m) {
			out = Entry{m, Yes}
		}
	}
	return out
}

// replaced reports whether the credentials are of a profile that the instance no longer
// has: none is attached, or AWS named another role when it refused a call of theirs.
func replaced(n *Node, h Held) Answer {
	p := n.Facts.IMDS.Profile
	switch {
	case h.Source != facts.SourceProfile || n.Identity.OnEC2 != Yes:
		return No
	case p.Absent():
		return Yes
	case p.Unknown():
		return Unknown
	}
	role, _ := n.Facts.IMDS.Role.Get()
	for _, r := range n.Facts.Log.Refusals.Some() {
		_, rest, ok := strings.Cut(r.Principal, ":assumed-role/")
		name, session, _ := strings.Cut(rest, "/")
		if ok && role.Name != "" && name != role.Name && session == n.Identity.ID && slices.Contains(ofWorker, r.Match) && r.At.After(h.Since) && !n.Log.StartedAfter(facts.Match{Last: r.At}) {
			return Yes
		}
	}
	return No
}

func credentialsOf(n *Node) Credentials {
	c := Credentials{OnDHMC: onDHMC(n)}
	c.OnProfile = onProfile(n, c.OnDHMC)
	c.Held = heldOf(n)
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
