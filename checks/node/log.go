package node

import (
	"time"

	"ssm-doctor/checks/facts"
)

// RecentWindow is how far back a failure of a feature still says something: no
// single entry takes it back.
const RecentWindow = 24 * time.Hour

// answerTime is how long the agent may take to log that a heartbeat failed: with the
// retries of its client some seconds; and hangTime where nothing answers it, when each
// try waits for its connection.
// Source: logs of amazon-ssm-agent 3.3 that was cut off: 129 s.
const (
	answerTime = 10 * time.Second
	hangTime   = 150 * time.Second
)

// Log is what the agent's log says. Its entries can be had only with an answer:
// a log that was not read holds no "it did not happen".
type Log struct {
	f        *facts.Facts
	byID     map[string]facts.Match
	whole    Answer // the log was read, or no agent runs that would have one
	accepted time.Time
	obtained time.Time // credentials, by log or state
	// blind: what the agent stored of its credentials was not read, and may hold a
	// later acceptance than any entry.
	blind bool
}

// Entry is the answer to "does the log hold this".
type Entry struct {
	facts.Match
	Found Answer
}

// Yes reports whether the entry is there.
func (e Entry) Yes() bool { return e.Found == Yes }

// Unread reports whether the log was not read well enough to say that the entry is not
// there.
func (e Entry) Unread() bool { return e.Found == Unknown }

func logOf(f *facts.Facts) Log {
	l := Log{f: f, byID: map[string]facts.Match{}, whole: Yes, blind: f.Credentials.Runtime.Unknown()}
	for _, m := range f.Log.Matches.Some() {
		l.byID[m.ID] = m
	}
	// An agent that runs has written one: what is gone was not read.
	ps, _ := f.Agent.Processes.Get()
	if f.Log.Matches.Unknown() || f.Log.Matches.Absent() && len(ps.Core) > 0 {
		l.whole = Unknown
	}
	for _, id := range obtains {
		if m := l.byID[id]; m.Last.After(l.obtained) && !isAhead(f, m.Last) {
			l.obtained = m.Last
		}
	}
	if r, ok := f.Credentials.Runtime.Get(); ok && r.RetrievedAt.After(l.obtained) && !isAhead(f, r.RetrievedAt) {
		l.obtained = r.RetrievedAt
	}
	return l
}

// obtains are the entries that only credentials leave which the service gave or accepted.
var obtains = []string{facts.SigProfileOK, facts.SigDHMCOK, facts.SigRotation}

// Read reports whether all of the log was read, or is known not to exist where no agent
// runs; No never.
func (l Log) Read() Answer { return l.whole }

// Unseen is what was not read: the log, else its refusals, else what may overtake its
// entries.
func (l Log) Unseen() facts.Unseen {
	switch {
	case l.whole == Yes && l.f.Log.Refusals.Unknown():
		return l.f.Log.Refusals
	case l.whole == Yes && l.blind:
		return l.f.Credentials.Runtime
	}
	return l.f.Log.Matches
}

// missing is the answer for an entry that is not among those read.
func (l Log) missing() Entry {
	if l.whole == Unknown {
		return Entry{}
	}
	return Entry{Found: No}
}

// missingOf is missing for one signature: where the agent is newer than the last
// release that writes it, that it is missing says nothing.
func (l Log) missingOf(id string) Entry {
	last := facts.LastRelease(id)
	if last != "" && olderThan(last, agentVersion(l.f)) != No {
		return Entry{}
	}
	return l.missing()
}

// Last is the latest entry with a signature.
func (l Log) Last(id string) Entry {
	if m, ok := l.byID[id]; ok {
		return Entry{m, Yes}
	}
	return l.missingOf(id)
}

// Latest is the latest entry with one of several signatures.
func (l Log) Latest(ids ...string) Entry {
	out := l.missing()
	for _, id := range ids {
		if m, ok := l.byID[id]; ok && (!out.Yes() || m.Last.After(out.Last)) {
			out = Entry{m, Yes}
		}
	}
	return out
}

// Current is the latest entry with the first of several signatures that occurs and
// that no later proof of the node's acceptance has overtaken; unknown where such a
// proof may be in what was not read.
func (l Log) Current(ids ...string) Entry {
	for _, id := range ids {
		if m, ok := l.byID[id]; ok && !isAhead(l.f, m.Last) && !l.accepted.After(m.Last) {
			if l.blind || l.whole != Yes {
				return Entry{m, Unknown}
			}
			return Entry{m, Yes}
		}
	}
	return l.missing()
}

// CurrentChannel is Current for the message channel, whose state a heartbeat says
// nothing about: only an opened channel overtakes it.
func (l Log) CurrentChannel(ids ...string) Entry {
	for _, id := range ids {
		if m, ok := l.byID[id]; ok && !isAhead(l.f, m.Last) && !l.openedAfter(m) {
			return Entry{m, Yes}
		}
	}
	return l.missing()
}

// openedAfter reports whether the channel was opened after an entry. After a refusal
// the agent's status is ec2messages, so that the status ssmmessages shows it as well.
func (l Log) openedAfter(m facts.Match) bool {
	after := func(id string) bool {
		up := l.byID[id]
		return up.Last.After(m.Last) && !isAhead(l.f, up.Last)
	}
	refused := m.ID == facts.SigChannelMDS || SaysRefused(m.Text)
	return after(facts.SigChannelUp) || refused && after(facts.SigChannelMGS)
}

// CurrentCredentials is Current for how the agent gets its credentials. It outlives a
// failure with those it holds: only credentials that were obtained overtake it.
func (l Log) CurrentCredentials(ids ...string) Entry {
	for _, id := range ids {
		if m, ok := l.byID[id]; ok && !isAhead(l.f, m.Last) && !l.obtained.After(m.Last) {
			if l.blind || l.whole != Yes {
				return Entry{m, Unknown}
			}
			return Entry{m, Yes}
		}
	}
	return l.missing()
}

// Recent is the latest entry with a signature, if it is younger than RecentWindow.
func (l Log) Recent(id string) Entry {
	if m, ok := l.byID[id]; ok && age(l.f, m.Last) < RecentWindow {
		return Entry{m, Yes}
	}
	return l.missing()
}

// StartedAfter reports whether the agent's log shows a start after an entry, which
// then says nothing of the agent that runs now.
func (l Log) StartedAfter(m facts.Match) bool {
	start, ok := l.byID[facts.SigStart]
	return ok && !isAhead(l.f, start.Last) && start.Last.After(m.Last)
}

// Sleeping is the sleep that the agent is in, by its own announcement.
func (n *Node) Sleeping() (facts.Backoff, Answer) {
	b, ok := n.Facts.Log.Backoff.Get()
	switch {
	case ok:
		return b, answer(b.Until.After(n.Now()))
	case n.Facts.Log.Backoff.Absent():
		return b, No
	}
	return b, Unknown
}

// kinds is what the signatures mean, by id.
var kinds = func() map[string]string {
	out := map[string]string{}
	for _, s := range facts.Signatures {
		if _, ok := out[s.ID]; !ok {
			out[s.ID] = s.Kind
		}
	}
	return out
}()

// saysNodeFailed reports whether a signature says that the node is not accepted.
func saysNodeFailed(id string) bool {
	return kinds[id] == facts.KindNode || kinds[id] == facts.KindBackoff
}
