package checks

import (
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Sessions is sessions.
var Sessions = register(Check{
	ID: "sessions", Group: "agent", Title: "Sessions to this node open and keep their logs",
	Causes: []string{"session-failing", "client-side-problem"},
	Doc: "What the agent's session worker logged in the last day: a RunAs user that is missing, a shell or terminal that does not start, a key that cannot be used, " +
		"a log group or bucket that is missing or not encrypted, no program to write the log with, a data channel that does not open. A session that opens later clears it. " +
		"What a session that opened does, and what a forwarded port answers, is not judged. Without an attempt in the last day nothing is known of sessions, and the check does not apply.",
	Eval: func(n *node.Node) Finding {
		if n.Agent.Installed == node.No {
			return skip("no agent is installed")
		}
		fd, found, blind := troubles(n, "session-failing", sessionTroubles(n))
		switch {
		case found:
			return aboutUser(n, withNames(n, fd))
		case blind:
			return unreadLog(n)
		}
		if n.Agent.Installed == node.Unknown {
			return unread("installations", n.Facts.Agent.Installations)
		}
		ok := skip("no session is on record, neither one that opened nor one that failed")
		if m := n.Log.Latest(facts.SigSessionOpened, facts.SigPortOpened); m.Yes() {
			ok = lately(n, m, "a session opened %s")
		}
		if m := n.Log.Unmended(facts.SigSessionClient, facts.SigSessionOpened); m.Yes() {
			return ok.and(notes("client-side-problem", Likely, "a session was not taken up by the caller's side (%s): its Session Manager plug-in may be too old", often(n, m)).logged(m))
		}
		return ok
	},
})

var (
	sessionOpens = []string{facts.SigSessionOpened}
	anyOpens     = []string{facts.SigSessionOpened, facts.SigPortOpened}
	sessionLogs  = []string{facts.SigSessionUploaded, facts.SigSessionStreamed}
	noSessions   = []string{"session-manager"}
	noKey        = []string{"session-manager", "session-kms"}
	noLogs       = []string{"session-log-s3", "session-log-cloudwatch"}
)

// outage is how far apart failures of one outage may be.
const outage = 10 * time.Minute

// sessionTroubles are the ways in which a session fails, the more telling first.
func sessionTroubles(n *node.Node) []trouble {
	user := func(entry string) string { return text.Or(node.SessionUser(entry), node.DefaultUser) }
	list := []trouble{
		{sig: facts.SigRunAsMissing, mended: sessionOpens, says: "sessions do not start: their RunAs user %s does not exist on this host", value: user, fix: causes.SessionUserMissing, stops: noSessions},
		{sig: facts.SigRunAsUnset, mended: sessionOpens, says: "sessions do not start: RunAs is on, and no user is named for the caller", fix: causes.SessionUserUnset, stops: noSessions},
		{sig: facts.SigRunAsNotRoot, mended: sessionOpens, says: "sessions do not start: RunAs needs an agent that runs as root", fix: causes.SessionAgentNotRoot, stops: noSessions},
		{sig: facts.SigRunAsRoot, mended: sessionOpens, says: "sessions do not start: the agent runs none as root or with the group root", fix: causes.SessionUserNotAllowed, stops: noSessions},
		{sig: facts.SigOnDomainControl, mended: sessionOpens, says: "sessions do not start: this is a domain controller, on which the agent makes no local user", fix: causes.SessionOnDomainController, stops: noSessions},
		{sig: facts.SigUserNotMade, mended: sessionOpens, says: "sessions do not start: the agent cannot create their user %s", value: user, fix: causes.SessionUserNotMade, stops: noSessions},
		{sig: facts.SigUserUnreadable, mended: sessionOpens, says: "sessions do not start: their user %s cannot be looked up", value: user, fix: causes.SessionUserUnreadable, stops: noSessions},
		{sig: facts.SigSessionKey, holds: []string{"notfoundexception"}, mended: sessionOpens, says: "sessions do not start: the KMS key that encrypts them does not exist", fix: causes.SessionKeyGone, stops: noKey},
		{sig: facts.SigSessionKey, holds: []string{"pending deletion"}, mended: sessionOpens, says: "sessions do not start: the KMS key that encrypts them waits for its deletion", fix: causes.SessionKeyPending, stops: noKey},
		{sig: facts.SigSessionKey, holds: []string{"disabledexception", "is disabled"}, mended: sessionOpens, says: "sessions do not start: the KMS key that encrypts them is disabled", fix: causes.SessionKeyDisabled, stops: noKey},
		{sig: facts.SigSessionKey, without: []string{"notfoundexception", "pending deletion", "disabledexception", "is disabled"}, mended: sessionOpens, says: "sessions do not start: the KMS key that encrypts them cannot be used", fix: causes.SessionKey, stops: noKey},
		{sig: facts.SigLogsUnencrypted, holds: []string{"cloudwatch"}, mended: sessionOpens, says: "sessions do not start: their logs must be encrypted, and the log group that they go to is not", fix: causes.SessionLogsEncryption, stops: noSessions},
		{sig: facts.SigLogsUnencrypted, without: []string{"cloudwatch"}, mended: sessionOpens, says: "sessions do not start: their logs must be encrypted, and the bucket that they go to is not", fix: causes.SessionBucketEncryption, stops: noSessions},
		{sig: facts.SigLogsUnchecked, holds: []string{"serversideencryptionconfigurationnotfound"}, mended: sessionOpens, says: "sessions do not start: their logs must be encrypted, and the bucket that they go to is not", fix: causes.SessionBucketEncryption, stops: noSessions},
		{sig: facts.SigLogsUnchecked, holds: []string{"cloudwatch"}, mended: sessionOpens, says: "sessions do not start: whether the log group that they go to is encrypted could not be read", fix: causes.SessionLogGroup, stops: noSessions},
		{sig: facts.SigLogsUnchecked, without: []string{"cloudwatch", "serversideencryptionconfigurationnotfound"}, mended: sessionOpens, says: "sessions do not start: whether the bucket that their logs go to is encrypted could not be read", fix: causes.SessionLogBucket, stops: noSessions},
		{sig: facts.SigSessionWorker, holds: noMemory, mended: anyOpens, says: "sessions do not start: there is no memory or no process left for the session worker", fix: causes.SessionNoMemory, stops: noSessions, room: true},
		{sig: facts.SigSessionWorker, holds: []string{"no such file", "cannot find"}, mended: anyOpens, says: "sessions do not start: the agent's session worker is missing on this host", fix: causes.SessionWorkerMissing, stops: noSessions, room: true},
		{sig: facts.SigSessionWorker, without: []string{"permission denied", "access is denied"}, mended: anyOpens, says: "sessions do not start: the agent's session worker does not start", fix: causes.SessionWorkerMissing, stops: noSessions, room: true},
		{sig: facts.SigStream, mended: anyOpens, says: "sessions do not start: the agent does not find its session plug-in %s, which only the session worker has", value: quotedBy(pluginRE, "Standard_Stream"), fix: causes.SessionWorkerMissing, stops: noSessions, room: true},
		{sig: facts.SigSessionStart, holds: []string{"/dev/ptmx", "/dev/pts", "no space left on device", "inappropriate ioctl"}, mended: sessionOpens, says: "sessions do not start: this host gives no pseudo terminal", fix: causes.SessionNoTerminal, stops: noSessions, room: true},
		{sig: facts.SigSessionStart, holds: noMemory, mended: sessionOpens, says: "sessions do not start: there is no memory or no process left for their shell", fix: causes.SessionNoMemory, stops: noSessions, room: true},
		{sig: facts.SigSessionStart, mended: sessionOpens, says: "sessions do not start: their shell cannot be run", fix: causes.SessionNoShell, stops: noSessions, room: true},
		{sig: facts.SigSessionFile, without: elsewhere, mended: sessionOpens, says: "sessions do not start: their folder cannot be written", fix: causes.SessionFolder, stops: noSessions, room: true},
	}
	if e := n.Log.Last(facts.SigDataChannel); !isClosed(n, "ssmmessages") && !n.Log.Near(e, outage, facts.SigChannelFailed, facts.SigChannelToken, facts.SigWebSocketFailed, facts.SigHealthFailed) {
		list = append(list, trouble{sig: facts.SigDataChannel, anyway: true, mended: anyOpens, says: "sessions do not open: their data channel fails", fix: causes.SessionDataChannel, stops: noSessions})
	}
	list = append(list,
		trouble{sig: facts.SigSessionProfile, mended: sessionOpens, says: "sessions end at once: the shell profile of the preferences cannot be run", fix: causes.SessionNoShell, stops: noSessions},
		trouble{sig: facts.SigSudoers, says: "sessions open, but ssm-user may not use sudo: its rule could not be written", fix: causes.SessionNoSudo})
	if p := n.Facts.Work.Script; !cameSince(p, n.Log.Last(facts.SigTranscript)) {
		where := "is not found"
		if p.Known() {
			where = "is not found by the agent, though " + p.Value.Path + " is there"
		}
		list = append(list, trouble{sig: facts.SigTranscript, holds: []string{`"script"`, "script: not found"}, mended: sessionLogs, says: "sessions lose their logs: the program script, which writes them, " + where, fix: causes.SessionScript, stops: noLogs})
	}
	list = append(list,
		trouble{sig: facts.SigTranscript, without: append([]string{`"script"`, "script: not found"}, elsewhere...), mended: sessionLogs, says: "sessions lose their logs: the program script cannot write them", fix: causes.SessionScript, stops: noLogs},
		trouble{sig: facts.SigSessionUpload, mended: sessionLogs, says: "sessions lose their logs: the bucket that they go to does not take them", fix: causes.SessionLogBucket, stops: noLogs[:1]},
		trouble{sig: facts.SigSessionLogs, mended: sessionLogs, says: "sessions lose their logs: CloudWatch Logs does not take them", fix: causes.SessionLogGroup, stops: noLogs[1:]})
	if e := n.Log.Last(facts.SigLogGroup); e.Yes() && n.Log.Near(e, sameEvent, facts.SigSessionLogs) {
		return list // the call that should have told of it failed, which says more
	}
	return append(list, trouble{sig: facts.SigLogGroup, mended: sessionLogs, says: "sessions lose their logs: the log group that the preferences name does not exist, or cannot be seen by this node", fix: causes.SessionLogGroup, stops: noLogs[1:]})
}

// cameSince reports whether a program is there now that was put there after an entry,
// which says that it is missing.
func cameSince(p facts.Seen[facts.FoundProgram], e node.Entry) bool {
	v, ok := p.Get()
	return ok && e.Yes() && v.Since.After(e.Last)
}

// isClosed reports whether an endpoint was tried and does not answer, which others name.
func isClosed(n *node.Node, service string) bool {
	list, _ := n.Endpoints.All()
	for _, e := range list {
		if e.Service == service && e.Tried() && !e.Connected() {
			return true
		}
	}
	return false
}

// aboutUser adds what the host's file of users says now of a user that a session did
// not find: one that was made since is why the finding is only noted.
func aboutUser(n *node.Node, fd Finding) Finding {
	e := n.Log.Unmended(facts.SigRunAsMissing, sessionOpens...)
	name := node.SessionUser(e.Text)
	u := n.Facts.Work.Users
	if !e.Yes() || name == "" || !u.Known() {
		return fd
	}
	switch there, since := n.HasUser(name, e); {
	case since && !strings.Contains(fd.Summary.String(), "; also: "):
		return notes(fd.Cause, Likely, "a session did not find its user %s %s; the user was created since", name, n.Ago(e.Last)).logged(e).
			saw("local users", "has "+name, u.From).with("user", name).fix(causes.SessionUserMissing[len(causes.SessionUserMissing)-2:]...)
	case there:
		return fd.saw("local users", "has "+name+" now", u.From)
	}
	return fd.saw("local users", "no "+name, u.From)
}
