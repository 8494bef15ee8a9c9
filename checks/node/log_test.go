package node

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestLogIsRead(t *testing.T) {
	t.Parallel()
	refusalsUnread := func(f *facts.Facts) {
		f.Log.Refusals = facts.Unknown[[]facts.Refusal]("errors.log: permission denied", "").Because(facts.NeedsRoot)
	}
	for _, c := range []struct {
		name     string
		fault    fault
		read     Answer
		here     Answer // an entry that is in what was read
		elsewise Answer // one that is not
		why      string
		code     facts.Reason
	}{
		{"read", nil, Yes, Yes, No, "known", ""},
		{"no log", all(logAbsent, noAgentRuns), Yes, No, No, "no such directory", ""},
		{"the log of an agent that runs is gone", logAbsent, Unknown, Unknown, Unknown, "no such directory", ""},
		{"partly read", logPartly, Unknown, Yes, Unknown, "amazon-ssm-agent.log.1: input/output error", ""},
		{"unread", logUnread, Unknown, Unknown, Unknown, "permission denied", facts.NeedsRoot},
		{"nobody looked", func(f *facts.Facts) { f.Log = facts.Log{} }, Unknown, Unknown, Unknown, "not looked at", ""},
		{"entries first", func(f *facts.Facts) {
			logUnread(f)
			refusalsUnread(f)
		}, Unknown, Unknown, Unknown, "permission denied", facts.NeedsRoot},
		{"runtime file unread", runtimeUnread, Yes, Yes, No, "permission denied", facts.NeedsRoot},
		{"refusals unread", refusalsUnread, Yes, Yes, No, "errors.log: permission denied", facts.NeedsRoot},
	} {
		l := nodeOf(t, "profile", nonNil(c.fault)).Log
		if got := l.Read(); got != c.read {
			t.Errorf("%s: read %s, want %s", c.name, got, c.read)
		}
		for what, e := range map[string]Entry{"Last": l.Last(facts.SigHealthOK), "Latest": l.Latest(facts.SigHealthOK, facts.SigHealthFailed), "Recent": l.Recent(facts.SigHealthOK)} {
			if e.Found != c.here || e.Yes() != (c.here == Yes) || e.Unread() != (c.here == Unknown) {
				t.Errorf("%s: %s of what is there: %s, want %s", c.name, what, e.Found, c.here)
			}
		}
		for what, e := range map[string]Entry{"Last": l.Last(facts.SigKMS), "Latest": l.Latest(facts.SigKMS, facts.SigDownload), "Recent": l.Recent(facts.SigKMS), "Current": l.Current(facts.SigKMS), "CurrentChannel": l.CurrentChannel(facts.SigKMS)} {
			if e.Found != c.elsewise {
				t.Errorf("%s: %s of what is not there: %s, want %s", c.name, what, e.Found, c.elsewise)
			}
		}
		if u := l.Unseen(); u.Reason() != c.why || u.Obstacle() != c.code {
			t.Errorf("%s: why %q %q, want %q %q", c.name, u.Reason(), u.Obstacle(), c.why, c.code)
		}
	}
}

func TestLatest(t *testing.T) {
	t.Parallel()
	l := nodeOf(t, "profile", onlyLog(entry(facts.SigCredsFailed, 3*time.Minute, "a"), entry(facts.SigHibernate, time.Minute, "b"), entry(facts.SigSleeping, 2*time.Minute, "c"))).Log
	if e := l.Latest(facts.SigCredsFailed, facts.SigHibernate, facts.SigSleeping); !e.Yes() || e.Text != "b" {
		t.Errorf("%+v", e)
	}
	if e := l.Last(facts.SigCredsFailed); !e.Yes() || e.Text != "a" || e.File != "/log" {
		t.Errorf("%+v", e)
	}
}

// TestCurrent: an entry counts until the node is accepted after it.
func TestCurrent(t *testing.T) {
	t.Parallel()
	failed, old := entry(facts.SigCredsFailed, 10*time.Minute, "failed"), entry(facts.SigProfileFailed, 2*time.Hour, "failed before")
	accepted := entry(facts.SigProfileOK, 5*time.Minute, "accepted")
	for _, c := range []struct {
		name  string
		fault fault
		want  string // text of the entry
		found Answer
	}{
		{"nothing after it", all(onlyLog(failed), noRuntime), "failed", Yes},
		{"accepted after it", all(onlyLog(failed, accepted), noRuntime), "", No},
		{"accepted before it", all(onlyLog(failed, entry(facts.SigRotation, 20*time.Minute, "")), noRuntime), "failed", Yes},
		{"accepted after it, by the runtime file", onlyLog(failed, func(f *facts.Facts) { f.Credentials.Runtime.Value.RetrievedAt = f.CollectedAt.Add(-time.Minute) }), "", No},
		{"accepted before it, by the runtime file", onlyLog(failed, func(f *facts.Facts) { f.Credentials.Runtime.Value.RetrievedAt = f.CollectedAt.Add(-11 * time.Minute) }), "failed", Yes},
		{"a heartbeat whose answer is due proves nothing yet", all(onlyLog(failed, entry(facts.SigHealthOK, 5*time.Second, "")), noRuntime), "failed", Yes},
		{"the first of the signatures that occurs", all(onlyLog(entry(facts.SigProfileFailed, 3*time.Minute, "later"), failed), noRuntime), "failed", Yes},
		{"the second, where the first is overtaken", all(onlyLog(entry(facts.SigProfileFailed, 3*time.Minute, "later"), failed, accepted), noRuntime), "later", Yes},
		{"of another clock", all(onlyLog(entry(facts.SigCredsFailed, -10*time.Minute, "ahead")), noRuntime), "", No},
		{"slightly ahead", all(onlyLog(entry(facts.SigCredsFailed, -time.Minute, "ahead")), noRuntime), "ahead", Yes},
		{"long ago", all(onlyLog(old), noRuntime), "failed before", Yes},
		{"none, partly read", all(onlyLog(), noRuntime, logPartly), "", Unknown},
		{"overtaken, partly read", all(onlyLog(failed, accepted), noRuntime, logPartly), "", Unknown},
		{"in the part that was read", all(onlyLog(failed), noRuntime, logPartly), "failed", Unknown},
		{"a later acceptance may be in the runtime file", all(onlyLog(failed), runtimeUnread), "failed", Unknown},
	} {
		e := nodeOf(t, "profile", c.fault).Log.Current(facts.SigCredsFailed, facts.SigProfileFailed)
		if e.Found != c.found || e.Text != c.want {
			t.Errorf("%s: %s %q, want %s %q", c.name, e.Found, e.Text, c.found, c.want)
		}
	}
}

// TestCurrentChannel: only an opened channel says that the channel works.
func TestCurrentChannel(t *testing.T) {
	t.Parallel()
	failed := entry(facts.SigChannelFailed, 10*time.Minute, "failed")
	for _, c := range []struct {
		name  string
		fault fault
		found Answer
	}{
		{"nothing after it", onlyLog(failed), Yes},
		{"accepted after it", onlyLog(failed, entry(facts.SigProfileOK, 5*time.Minute, "")), Yes},
		{"channel up after it", onlyLog(failed, entry(facts.SigChannelUp, 5*time.Minute, "")), No},
		{"the status ssmmessages after it", onlyLog(failed, entry(facts.SigChannelMGS, 5*time.Minute, "")), Yes},
		{"the status ssmmessages after a refusal", onlyLog(entry(facts.SigChannelFailed, 10*time.Minute, "AccessDeniedException"), entry(facts.SigChannelMGS, 5*time.Minute, "")), No},
		{"channel up before it", onlyLog(failed, entry(facts.SigChannelUp, 15*time.Minute, "")), Yes},
		{"of another clock", onlyLog(entry(facts.SigChannelFailed, -10*time.Minute, "")), No},
		{"channel up by another clock", onlyLog(failed, entry(facts.SigChannelUp, -time.Hour, "")), Yes},
		{"overtaken, partly read", all(onlyLog(failed, entry(facts.SigChannelUp, 5*time.Minute, "")), logPartly), Unknown},
	} {
		if e := nodeOf(t, "profile", c.fault).Log.CurrentChannel(facts.SigWebSocketFailed, facts.SigChannelFailed); e.Found != c.found {
			t.Errorf("%s: %s, want %s", c.name, e.Found, c.found)
		}
	}
}

func TestRecent(t *testing.T) {
	t.Parallel()
	for before, want := range map[time.Duration]Answer{time.Minute: Yes, 23 * time.Hour: Yes, 24 * time.Hour: No, 48 * time.Hour: No} {
		if e := nodeOf(t, "profile", onlyLog(entry(facts.SigDownload, before, ""))).Log.Recent(facts.SigDownload); e.Found != want {
			t.Errorf("%s ago: %s, want %s", before, e.Found, want)
		}
	}
	if e := nodeOf(t, "profile", onlyLog(entry(facts.SigDownload, 48*time.Hour, "")), logPartly).Log.Recent(facts.SigDownload); e.Found != Unknown {
		t.Errorf("an old one in a log that was partly read: %s", e.Found)
	}
}

func TestStartedAfter(t *testing.T) {
	t.Parallel()
	failed := entry(facts.SigCredsFailed, 10*time.Minute, "")
	for name, c := range map[string]struct {
		start fault
		want  bool
	}{
		"after":            {entry(facts.SigStart, 5*time.Minute, ""), true},
		"before":           {entry(facts.SigStart, 15*time.Minute, ""), false},
		"of another clock": {entry(facts.SigStart, -time.Hour, ""), false},
		"none":             {without(facts.SigStart), false},
	} {
		l := nodeOf(t, "profile", onlyLog(failed, c.start)).Log
		if got := l.StartedAfter(l.Last(facts.SigCredsFailed).Match); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSleeping(t *testing.T) {
	t.Parallel()
	until := func(d time.Duration) fault {
		return func(f *facts.Facts) { f.Log.Backoff = facts.Known(facts.Backoff{Until: f.CollectedAt.Add(d)}, "") }
	}
	for name, c := range map[string]struct {
		fault fault
		want  Answer
	}{
		"not announced": {nil, No},
		"announced":     {until(26 * time.Minute), Yes},
		"over":          {until(-time.Minute), No},
		"unread":        {func(f *facts.Facts) { f.Log.Backoff = facts.Unknown[facts.Backoff]("permission denied", "") }, Unknown},
	} {
		if _, got := nodeOf(t, "profile", nonNil(c.fault)).Sleeping(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestFailuresOfTheNode: the kinds of the signatures that are about the node as a whole
// make it not accepted, those of one part do not.
func TestFailuresOfTheNode(t *testing.T) {
	t.Parallel()
	for _, id := range []string{facts.SigCredsFailed, facts.SigSleeping, facts.SigHealthFailed, facts.SigFingerprint, facts.SigClock, facts.SigConfigUnusable} {
		if !saysNodeFailed(id) {
			t.Errorf("%s is not about the node", id)
		}
	}
	for _, id := range []string{facts.SigProfileFailed, facts.SigChannelFailed, facts.SigKMS, facts.SigStart, facts.SigHealthOK, "noise", "no-such-signature"} {
		if saysNodeFailed(id) {
			t.Errorf("%s is about the node", id)
		}
	}
}

// TestEveryKindHasOneMeaning: a signature means one thing, in whatever row it stands.
func TestEveryKindHasOneMeaning(t *testing.T) {
	t.Parallel()
	for _, s := range facts.Signatures {
		if kinds[s.ID] != s.Kind {
			t.Errorf("%s is %s and %s", s.ID, kinds[s.ID], s.Kind)
		}
	}
}
