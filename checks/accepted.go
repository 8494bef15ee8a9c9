package checks

import (
	"time"

	"ssm-doctor/checks/facts"
)

// Proof is evidence that the service accepted this node.
type Proof struct {
	What string
	From string
	At   time.Time
}

// healthMinutes is the agent's heartbeat interval.
func healthMinutes(f *facts.Facts) int {
	if c, ok := f.Agent.Config.Get(); ok && c.HealthMinutes > 0 {
		return c.HealthMinutes
	}
	return 5
}

// lastSuccess is the latest thing in log or state that only an accepted call
// leaves. The zero Proof means there is none.
func lastSuccess(f *facts.Facts) Proof {
	var p Proof
	for _, m := range f.Log.Matches {
		if at := succeeded(f, m); successSigs[m.ID] && at.After(p.At) {
			p = Proof{What: m.Text, From: "file:" + m.File, At: at}
		}
	}
	if r, ok := f.Credentials.Runtime.Get(); ok && r.Source != "" && r.RetrievedAt.After(p.At) && !r.RetrievedAt.After(f.CollectedAt.Add(time.Minute)) {
		p = Proof{What: "credentials obtained, " + r.Source, From: f.Credentials.Runtime.From, At: r.RetrievedAt}
	}
	return p
}

var successSigs = map[string]bool{
	facts.SigProfileOK: true, facts.SigDHMCOK: true, facts.SigRotation: true,
	facts.SigHealthOK: true, facts.SigChannelMGS: true, facts.SigChannelUp: true,
}

// succeeded is the latest occurrence of a success that may count; zero: none.
// The line of a heartbeat comes before its call, and only a failure follows it:
// a heartbeat counts once its answer is due, if no failure came with or after it.
func succeeded(f *facts.Facts, m facts.Match) time.Time {
	at := m.Last
	if m.ID == facts.SigHealthOK {
		if age(f, at) <= answerTime {
			at = m.Before
		}
		if age(f, at) <= answerTime || !lastNodeFailure(f).Last.Before(at) {
			return time.Time{}
		}
	}
	if ahead(f, at) {
		return time.Time{}
	}
	return at
}

// ahead reports whether a time lies so far in the future that another clock, or
// another time zone, wrote it.
func ahead(f *facts.Facts, t time.Time) bool { return age(f, t) < -5*time.Minute }

// startedAfter reports whether the agent's log shows a start after an entry,
// which then says nothing of the agent that runs now.
func startedAfter(f *facts.Facts, m facts.Match) bool {
	start, ok := f.Log.Last(facts.SigStart)
	return ok && !ahead(f, start.Last) && start.Last.After(m.Last)
}

// lastStart is when the agent that runs now began, as far as known.
func lastStart(f *facts.Facts) time.Time {
	var at time.Time
	if m, ok := f.Log.Last(facts.SigStart); ok && !ahead(f, m.Last) {
		at = m.Last
	}
	for _, p := range f.Agent.Processes.Value.Core {
		if p.Started.After(at) {
			at = p.Started
		}
	}
	if u := mainUnit(f); u != nil && u.Active == "active" && u.ActiveSince.After(at) {
		at = u.ActiveSince
	}
	return at
}

// heartless reports whether the agent has sent heartbeats since its start, and
// then none for longer than two of them take.
func heartless(f *facts.Facts) bool {
	m, ok := f.Log.Last(facts.SigHealthOK)
	return ok && !lastStart(f).After(m.Last) && age(f, m.Last) > healthGap(f)
}

// Managed returns the proof that the node is managed now: an accepted call
// that is recent enough for its kind, with no failure after it and the agent
// still running.
func Managed(f *facts.Facts) (Proof, bool) {
	if running, known := coreRunning(f); known && !running {
		return Proof{}, false
	}
	if w, known := workerRunning(f); known && !w && splitAgent(f) {
		return Proof{}, false
	}
	const credentials = 65 * time.Minute
	heartbeat := healthGap(f)
	windows := map[string]time.Duration{
		facts.SigHealthOK:   heartbeat,
		facts.SigChannelMGS: heartbeat,
		facts.SigChannelUp:  heartbeat,
	}
	silent := heartless(f) // valid credentials prove nothing of an agent that does not use them
	if !silent {
		for _, id := range []string{facts.SigRotation, facts.SigProfileOK, facts.SigDHMCOK} {
			windows[id] = credentials
		}
	}
	failed := lastNodeFailure(f)
	var p Proof
	for _, m := range f.Log.Matches {
		w, ok := windows[m.ID]
		if at := succeeded(f, m); ok && at.After(p.At) && age(f, at) <= w && !failed.Last.After(at) {
			p = Proof{What: m.Text, From: "file:" + m.File, At: at}
		}
	}
	if r, ok := f.Credentials.Runtime.Get(); ok && !silent && r.Source != "" && r.ExpiresAt.After(f.CollectedAt) && !ahead(f, r.RetrievedAt) &&
		age(f, r.RetrievedAt) < credentials && r.RetrievedAt.After(p.At) && !failed.Last.After(r.RetrievedAt) {
		p = Proof{What: "credentials valid until " + r.ExpiresAt.UTC().Format(time.RFC3339), From: f.Credentials.Runtime.From, At: r.RetrievedAt}
	}
	return p, !p.At.IsZero()
}

// nodeFailureSigs are entries that say the node itself is not accepted.
var nodeFailureSigs = map[string]bool{
	facts.SigConfigUnusable: true, facts.SigBusStart: true, facts.SigStartFailed: true, facts.SigNoIdentity: true,
	facts.SigIMDSFailed: true, facts.SigRegionFailed: true, facts.SigProfileFailed: false, facts.SigDHMCSkipped: true,
	facts.SigDHMCOff: true, facts.SigDHMCFailed: true, facts.SigNotYetRegistered: true, facts.SigCredsFailed: true,
	facts.SigFingerprint: true, facts.SigHardwareID: true, facts.SigHardwareDrift: true, facts.SigInvalidInstance: true,
	facts.SigHibernate: true, facts.SigHealthFailed: true, facts.SigRegisterFailed: true, facts.SigSleeping: true,
	facts.SigVaultPermission: true, facts.SigClock: true, facts.SigRegionInvalid: true,
}

// lastNodeFailure is the latest entry that says the node is not accepted.
func lastNodeFailure(f *facts.Facts) facts.Match {
	var last facts.Match
	for _, m := range f.Log.Matches {
		if m.ID == facts.SigRegisterFailed && !hybridMeant(f) {
			continue // somebody tried to register an EC2 instance, which needs none
		}
		if nodeFailureSigs[m.ID] && m.Last.After(last.Last) && !ahead(f, m.Last) {
			last = m
		}
	}
	return last
}

// current returns a log match that no later proof of the node's acceptance has
// overtaken.
func current(f *facts.Facts, id string) (facts.Match, bool) {
	m, ok := f.Log.Last(id)
	if !ok || ahead(f, m.Last) || lastSuccess(f).At.After(m.Last) {
		return facts.Match{}, false
	}
	return m, true
}

// currentChannel is current for the message channel, whose state a heartbeat
// says nothing about.
func currentChannel(f *facts.Facts, ids ...string) (facts.Match, bool) {
	up, _ := f.Log.Last(facts.SigChannelUp)
	mgs, _ := f.Log.Last(facts.SigChannelMGS)
	for _, id := range ids {
		if m, ok := f.Log.Last(id); ok && !ahead(f, m.Last) && !up.Last.After(m.Last) && !mgs.Last.After(m.Last) {
			return m, true
		}
	}
	return facts.Match{}, false
}

// recently returns a log match of the last 24 h; for failures of features,
// which no single entry takes back.
func recently(f *facts.Facts, id string) (facts.Match, bool) {
	m, ok := f.Log.Last(id)
	return m, ok && age(f, m.Last) < 24*time.Hour
}

// firstCurrent is current over several signatures, the first that matches.
func firstCurrent(f *facts.Facts, ids ...string) (facts.Match, bool) {
	for _, id := range ids {
		if m, ok := current(f, id); ok {
			return m, true
		}
	}
	return facts.Match{}, false
}
