package node

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/text"
)

// Proof is evidence that the service accepted this node.
type Proof struct {
	What string
	From string
	At   time.Time // zero: there is none
}

// Acceptance is what is known of whether the service accepts this node.
type Acceptance struct {
	// Now: an accepted call that is recent enough for its kind, with no failure
	// after it, by an agent that still runs. Proof is that call.
	Now   Answer
	Proof Proof
	// Last is the latest thing in log or state that only an accepted call leaves.
	Last Proof
	// Failed is the latest entry of the log that says that the node is not
	// accepted; without an ID there is none in what was read.
	Failed facts.Match
	// Silent: the agent has sent heartbeats since its start, and then none for
	// longer than two of them take.
	Silent bool
	// Refused: no agent runs, or what it wrote last of being accepted is Failed.
	Refused Answer
}

// credentialsWindow is how long obtained credentials prove something: those of
// the agent live an hour.
const credentialsWindow = 65 * time.Minute

func acceptanceOf(n *Node) Acceptance {
	a := Acceptance{Failed: lastFailure(n)}
	a.Last = lastSuccess(n, a.Failed)
	a.Silent = isSilent(n)
	a.Now, a.Proof = acceptedNow(n, a)
	a.Refused = refusedNow(n, a)
	return a
}

// lastFailure is the latest entry that says the node is not accepted. While an agent
// holds credentials that have not ended, a failed renewal is none; that AWS refuses
// those it holds is one, whichever call shows it.
func lastFailure(n *Node) facts.Match {
	var last facts.Match
	held := n.Credentials.Held
	for _, m := range n.Facts.Log.Matches.Some() {
		switch {
		case m.ID == facts.SigRegisterFailed && n.Identity.HybridMeant == No:
			// somebody tried to register an EC2 instance, which needs none
		case m.ID == facts.SigHealthFailed && n.Channel.Connected == Yes && IsServiceError(n.CodeOf(m)):
			// its channel says more than an answer that is no refusal, if none was before
			if r := n.refusedBefore(m); r.Last.After(last.Last) && !isAhead(n.Facts, r.Last) {
				last = r
			}
		case slices.Contains(ofRenewal, m.ID) && n.Agent.Worker != No && m.Last.After(held.Since) && held.Valid(m.Last):
		case saysNodeFailed(m.ID) && m.Last.After(last.Last) && !isAhead(n.Facts, m.Last):
			last = m
		}
	}
	if r := held.Refused; r.Yes() && r.Last.After(last.Last) {
		last = r.Match
	}
	return last
}

// refusedBefore is an entry at the latest time at which it quotes a refusal, and no service
// error; the time is zero where none was seen.
func (n *Node) refusedBefore(m facts.Match) facts.Match {
	m.Last = time.Time{}
	for _, r := range n.Facts.Log.Refusals.Some() {
		if r.Match == m.ID && r.At.After(m.Last) && r.Code != "" && !IsServiceError(r.Code) {
			m.Last, m.Text = r.At, r.Text
		}
	}
	return m
}

// ofRenewal are the entries of a renewal of credentials that failed.
var ofRenewal = []string{facts.SigCredsFailed, facts.SigSleeping, facts.SigDHMCOff, facts.SigDHMCFailed, facts.SigDHMCSkipped, facts.SigNotYetRegistered, facts.SigNoIdentity}

func lastSuccess(n *Node, failed facts.Match) Proof {
	var p Proof
	for _, m := range n.Facts.Log.Matches.Some() {
		if at := successTime(n, m, failed); kinds[m.ID] == facts.KindSuccess && at.After(p.At) {
			p = Proof{What: m.Text, From: "file:" + m.File, At: at}
		}
	}
	rt := n.Facts.Credentials.Runtime
	if r, ok := rt.Get(); ok && r.Source != "" && r.RetrievedAt.After(p.At) && !r.RetrievedAt.After(n.Now().Add(time.Minute)) {
		p = Proof{What: "credentials obtained, " + r.Source, From: rt.From, At: r.RetrievedAt}
	}
	return p
}

// workerStarted is the proof of an agent whose log says nothing at all: the start of a
// worker beside that of its core, which from 3.2 on waits for credentials that the
// service accepts.
// Source: amazon-ssm-agent 3.2, core/workerprovider/longrunningprovider.
func workerStarted(n *Node) Proof {
	ps, ok := n.Facts.Agent.Processes.Get()
	if !ok || n.Agent.OlderThan("3.2.0.0") != No || len(ps.Core) == 0 || len(ps.Worker) == 0 {
		return Proof{}
	}
	core, worker := ps.Core[0].Started, ps.Worker[0].Started
	if core.IsZero() || worker.Before(core) || worker.Sub(core) > time.Minute || isAhead(n.Facts, worker) {
		return Proof{} // one that was started again by its core
	}
	return Proof{What: "worker started, which waits for credentials", From: n.Facts.Agent.Processes.From, At: worker}
}

// successTime is the latest occurrence of a success that may count; zero: none.
// The line of a heartbeat comes before its call, and only a failure follows it: a
// heartbeat counts once its answer is due, if no failure came with or after it, not even one
// that says nothing of the node.
// Source: amazon-ssm-agent, agent/health/healthcheck.go.
func successTime(n *Node, m facts.Match, failed facts.Match) time.Time {
	at := m.Last
	if m.ID == facts.SigHealthOK {
		if n.Age(at) <= answerDue(n, failed) {
			at = m.Before
		}
		if n.Age(at) <= answerDue(n, failed) || !failed.Last.Before(at) || !at.After(unanswered(n)) {
			return time.Time{}
		}
	}
	if isAhead(n.Facts, at) {
		return time.Time{}
	}
	return at
}

// unanswered is when a heartbeat last failed, whatever that says of the node.
func unanswered(n *Node) time.Time {
	if m := n.Log.Last(facts.SigHealthFailed); !isAhead(n.Facts, m.Last) {
		return m.Last
	}
	return time.Time{}
}

// answerDue is how long the answer to a heartbeat may take here.
func answerDue(n *Node, failed facts.Match) time.Duration {
	ssm := n.Endpoints.Of("ssm")
	if ssm != nil && (ssm.Tried() || ssm.DNS.Outcome != "") && !ssm.Usable() || failed.ID == facts.SigHealthFailed && strings.Contains(failed.Text, "RequestError") {
		return hangTime
	}
	return answerTime
}

// lastStart is when the agent that runs now began, as far as known.
func lastStart(n *Node) time.Time {
	var at time.Time
	if m := n.Log.Last(facts.SigStart); m.Yes() && !isAhead(n.Facts, m.Last) {
		at = m.Last
	}
	ps, _ := n.Facts.Agent.Processes.Get()
	for _, p := range ps.Core {
		if p.Started.After(at) {
			at = p.Started
		}
	}
	if u := n.Agent.Unit; u != nil && u.Active == "active" && u.ActiveSince.After(at) {
		at = u.ActiveSince
	}
	return at
}

func isSilent(n *Node) bool {
	m := n.Log.Last(facts.SigHealthOK)
	return m.Yes() && !lastStart(n).After(m.Last) && n.Age(m.Last) > n.Agent.HealthGap()
}

// refusedNow reports whether the service does not hear of an agent: none runs, it runs
// without the worker that waits for credentials, or what it wrote last is a failure.
func refusedNow(n *Node, a Acceptance) Answer {
	switch {
	case n.Agent.Core == No && n.Facts.Live(), n.Agent.Core == Yes && n.Agent.Worker == No && n.Agent.OlderThan("3.2.0.0") == No:
		return Yes
	case a.Now != No || n.Log.Read() != Yes || n.Facts.Credentials.Runtime.Unknown() || n.Agent.Core != Yes:
		return Unknown
	case a.Failed.ID == "" || a.Last.At.After(a.Failed.Last) || n.Log.StartedAfter(a.Failed):
		return No
	}
	return Yes
}

func acceptedNow(n *Node, a Acceptance) (Answer, Proof) {
	if n.Agent.Core == No || n.Agent.Worker == No && n.Agent.Separate == Yes {
		return No, Proof{}
	}
	heartbeat := n.Agent.HealthGap()
	windows := map[string]time.Duration{facts.SigHealthOK: heartbeat}
	if n.ChannelOpen() {
		windows[facts.SigChannelUp] = heartbeat
		if n.Channel.Connected == Yes && !a.Silent {
			windows[facts.SigChannelUp] = RecentWindow
		}
	}
	if !a.Silent { // valid credentials prove nothing of an agent that does not use them
		for _, id := range obtains {
			windows[id] = credentialsWindow
		}
	}
	var p Proof
	for _, m := range n.Facts.Log.Matches.Some() {
		w, ok := windows[m.ID]
		if at := successTime(n, m, a.Failed); ok && at.After(p.At) && n.Age(at) <= w && !a.Failed.Last.After(at) {
			p = Proof{What: m.Text, From: "file:" + m.File, At: at}
		}
	}
	rt := n.Facts.Credentials.Runtime
	if r, ok := rt.Get(); ok && !a.Silent && r.Source != "" && r.ExpiresAt.After(n.Now()) && !isAhead(n.Facts, r.RetrievedAt) &&
		n.Age(r.RetrievedAt) < credentialsWindow && r.RetrievedAt.After(p.At) && !a.Failed.Last.After(r.RetrievedAt) {
		p = Proof{What: "credentials valid until " + text.Stamp(r.ExpiresAt), From: rt.From, At: r.RetrievedAt}
	}
	if w := workerStarted(n); p.At.IsZero() && a.Last.At.IsZero() && a.Failed.ID == "" && n.Age(w.At) < heartbeat {
		p = w
	}
	switch {
	case !p.At.IsZero() && n.Agent.Core == Yes && n.Log.Read() == Yes && (n.Agent.Worker == Yes || n.Agent.Separate == No):
		return Yes, p
	case !p.At.IsZero(), n.Log.Read() != Yes, rt.Unknown():
		// Something speaks for it, or could; what may speak against it was not seen.
		return Unknown, Proof{}
	}
	return No, Proof{}
}

// deadRetransmits is how many unanswered retransmissions of one segment make a
// connection dead: with Linux's timers 3 take over a second, which no healthy path
// needs.
const deadRetransmits = 3

// deadWait is the same where the system tells how much is unanswered, and no more.
const deadWait = time.Second

// DeadSocket reports whether a connection no longer answers.
func DeadSocket(s facts.Socket) bool {
	return s.Retransmits >= deadRetransmits || time.Duration(s.WaitedMS)*time.Millisecond >= deadWait
}

// leastWatching is the release from which on the agent drops a channel by itself whose
// pings are not answered, within two minutes.
// Source: amazon-ssm-agent, RELEASENOTES.md at 3.3.987, agent/session/communicator.
const leastWatching = "3.3.987.0"

// Answers reports whether a connection is known to answer: what was sent over it was, or
// this release would have dropped it.
func (n *Node) Answers(s facts.Socket) Answer {
	switch {
	case DeadSocket(s):
		return No
	case !s.Untold:
		return Yes
	case n.Agent.OlderThan(leastWatching) == No:
		return Yes
	}
	return Unknown
}
