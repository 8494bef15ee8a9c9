package checks

import (
	"slices"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// AgentRegression is agent-regression.
var AgentRegression = register(Check{
	ID: "agent-regression", Group: "agent", Title: "No update broke an agent that worked",
	Station: AtAgent, Behind: AtAcceptance,
	Causes: []string{"agent-version-regression"},
	Doc: "Compares the versions that started, from audit files and log, with the last accepted call: an older version that was accepted, followed by another that never was and keeps ending, " +
		"points at the update. It needs the history on this host. Reports of trouble with a release make this likely and never prove it; the list of such reports carries its date.",
	Eval: func(n *node.Node) Finding {
		versions := n.Facts.Agent.Versions
		before, first := lastUpdate(versions.Some())
		switch {
		case before.Version == "" && versions.Unknown():
			return unread("versions that started", versions)
		case before.Version == "":
			return skip("no update is on record")
		}
		accepted := n.Acceptance.Last
		works := accepted.At.After(first.At) || n.Acceptance.Now == node.Yes
		switch {
		case versions.Unknown() && works:
			return unread("versions that started", versions)
		case works && !channelSeen(n) && n.Log.Read() != node.Yes:
			return unreadLog(n) // the newer version may be accepted and have no channel
		case n.Acceptance.Now == node.Yes && !channelSeen(n) && silentSince(n, first):
			if channel := n.Facts.Agent.Channel; channel.Unknown() {
				return unread("connections of the agent", channel)
			}
			return lostChannel(n, before, first)
		case works:
			return pass("%s works; %s ran before", first.Version, before.Version)
		case n.Log.Read() != node.Yes:
			return unreadLog(n) // the newer version may have been accepted
		case n.Facts.Credentials.Runtime.Unknown():
			return unread("runtime configuration", n.Facts.Credentials.Runtime)
		}
		if bus := n.Log.Last(facts.SigBusStart); inUse(bus) && !bus.Last.Before(first.At) && n.Log.Last(facts.SigPanic).Last.Before(first.At) {
			return unknown("%s followed %s, and finds an address in use, as any release would", first.Version, before.Version)
		}
		ranLong := first.At.Sub(before.At) > time.Hour
		what, trouble := troubleSince(n, first.At)
		if len(trouble) == 0 || accepted.At.IsZero() && !ranLong {
			return unknown("%s followed %s; nothing tells whether either worked", first.Version, before.Version)
		}
		fd := stops(n, "agent-version-regression", Possible, "agent %s fails (%s) since it replaced %s, which worked", first.Version, what, before.Version).
			sawAt("first start of "+first.Version, first.Version, versions.From, first.At).
			sawAt("last start of "+before.Version, before.Version, versions.From, before.At).
			with("version", before.Version)
		if !accepted.At.IsZero() {
			fd = fd.sawAt("last accepted call", accepted.What, accepted.From, accepted.At)
		}
		fd.Evidence = append(fd.Evidence, trouble...)
		crash := n.Log.Last(facts.SigPanic)
		fd.Stands = crash.Yes() && !crash.Last.Before(first.At)
		return withPackaging(n, goBack(n, withKnownBad(n, fd, first.Version)))
	},
})

// channelDue is how long after its start an agent has said something of its channel.
const channelDue = 15 * time.Minute

// channelSeen reports whether a connection is the agent's for certain.
func channelSeen(n *node.Node) bool {
	return slices.ContainsFunc(n.Facts.Agent.Channel.Some(), func(s facts.Socket) bool { return !s.Unsure })
}

// silentSince reports whether the log of the version before tells of a channel, and
// that of the running one, which was read from its start on, says nothing of any. Whether
// there is one, the connections tell.
func silentSince(n *node.Node, first facts.VersionStart) bool {
	start := n.Log.Last(facts.SigStart)
	status := n.Log.Latest(facts.SigChannelUp, facts.SigChannelMGS)
	said := n.Log.Latest(facts.SigChannelUp, facts.SigChannelMGS, facts.SigChannelMDS, facts.SigChannelLost, facts.SigChannelToken, facts.SigChannelFailed, facts.SigWebSocketFailed, facts.SigMDSPolls, facts.SigMDSFailed)
	return start.Yes() && !start.Last.Before(first.At.Add(-time.Minute)) && n.Age(start.Last) > channelDue &&
		status.Yes() && said.Last.Before(first.At.Add(-time.Minute))
}

// lostChannel is the finding of a release that reports itself and opens no channel, where
// the one before did.
func lostChannel(n *node.Node, before, first facts.VersionStart) Finding {
	was := n.Log.Latest(facts.SigChannelUp, facts.SigChannelMGS)
	fd := blocks("agent-version-regression", Likely, "agent %s has opened no message channel since it replaced %s, which had one; heartbeats are accepted, but neither sessions nor commands reach this node", first.Version, before.Version).
		sawAt("first start of "+first.Version, first.Version, n.Facts.Agent.Versions.From, first.At).
		sawAt("last start of "+before.Version, before.Version, n.Facts.Agent.Versions.From, before.At).
		logged(was).saw("connections of the agent to port 443", "none", n.Facts.Agent.Channel.From).with("version", before.Version)
	return withPackaging(n, ends(n, time.Time{}, goBack(n, fd)))
}

// goBack adds how a snap goes back to the revision before, which the host still has.
func goBack(n *node.Node, fd Finding) Finding {
	if n.Agent.Packaging != "snap" {
		return fd
	}
	return fd.fix(causes.Step{Text: "Revert to the revision that worked", Command: "snap revert amazon-ssm-agent", Where: causes.OnHost, Root: true},
		causes.Step{Text: "Keep it there until a fix is out: without this the snap is refreshed again by itself", Command: "snap refresh --hold amazon-ssm-agent", Where: causes.OnHost, Root: true}).
		fix(causes.Get(fd.Cause).Fix[2:]...) // no newer release is known to be better
}

// lastUpdate is the first start of the version that started last, and the start of
// another version before it; without a version when there was none.
func lastUpdate(starts []facts.VersionStart) (before, first facts.VersionStart) {
	for i := len(starts) - 1; i >= 0; i-- {
		if first.Version != "" && starts[i].Version != first.Version {
			return starts[i], first
		}
		first = starts[i]
	}
	return facts.VersionStart{}, first
}

// troubleSince is evidence that the agent itself ends or breaks since a time, and
// words for the first of it.
func troubleSince(n *node.Node, since time.Time) (what text.Text, seen []Evidence) {
	for _, id := range []string{facts.SigPanic, facts.SigBusStart, facts.SigDocWorker, facts.SigWorkerRestart, facts.SigStream, facts.SigStartFailed} {
		if e := n.Log.Last(id); e.Yes() && !e.Last.Before(since) {
			seen = append(seen, Evidence{What: "agent log", Seen: e.Text, From: "file:" + e.File, At: text.Stamp(e.Last)})
			if what.IsZero() {
				what = text.New("its log says %s", text.Quote(text.Cut(e.Text, 120)))
			}
		}
	}
	if u := n.Agent.Unit; u != nil && (u.Active == "failed" || u.Active == "activating") {
		state := text.New("%s (%s), exit status %d, %d restarts", u.Active, u.Sub, u.ExitStatus, u.Restarts)
		seen = append(seen, Evidence{What: "state of " + u.Name, Seen: state.String(), From: n.ServiceManager(u.Name)})
		if what.IsZero() {
			what = state
		}
	}
	return what, seen
}
