package checks

import (
	"time"

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
		"points at the update. It needs the history on this host. That others report trouble with a release makes this likely and never proves it; that list says as of which day it is.",
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
		switch {
		case versions.Unknown() && (accepted.At.After(first.At) || n.Acceptance.Now == node.Yes):
			return unread("versions that started", versions)
		case accepted.At.After(first.At), n.Acceptance.Now == node.Yes:
			return pass("%s works; %s ran before", first.Version, before.Version)
		case n.Log.Read() != node.Yes:
			return unreadLog(n) // the newer version may have been accepted
		case n.Facts.Credentials.Runtime.Unknown():
			return unread("runtime configuration", n.Facts.Credentials.Runtime)
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
		return withPackaging(n, withKnownBad(n, fd, first.Version))
	},
})

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
