package node

import (
	"net/netip"
	"slices"
	"time"

	"ssm-doctor/checks/facts"
)

// Channel is what is known of the message channel.
type Channel struct {
	// Opened is the latest time that it was opened, by an entry that only that leaves.
	Opened Entry
	// Lost is the latest loss of it after that. Tried is an attempt after the loss
	// that did not open it: the agent wrote its status, and no channel with it.
	Lost, Tried Entry
	// Fallback is the entry that says that the agent uses ec2messages; nothing since
	// says otherwise. Refused is the same, unless another failure stands beside it.
	Fallback, Refused Entry
	// Connected: the agent holds a connection that answers to an address of
	// ssmmessages that is none of another endpoint.
	Connected Answer
}

func channelOf(n *Node) Channel {
	c := Channel{Opened: notAhead(n, n.Log.Last(facts.SigChannelUp)), Fallback: n.Log.CurrentChannel(facts.SigChannelMDS), Connected: onChannel(n)}
	none := n.Log.missing()
	c.Lost, c.Tried = none, none
	if c.Refused = c.Fallback; failedBeside(n, c.Fallback) {
		c.Refused = none
	}
	if lost := notAhead(n, n.Log.Last(facts.SigChannelLost)); lost.Yes() && !c.Opened.Last.After(lost.Last) && !n.Log.StartedAfter(lost.Match) {
		c.Lost = lost
		if tried := notAhead(n, n.Log.Last(facts.SigChannelMGS)); tried.Yes() && tried.Last.After(lost.Last) {
			c.Tried = tried
		}
	}
	return c
}

// besideWindow is how far the entry of the agent's status is from that of the failure
// which set it: they are written in one go.
const besideWindow = 5 * time.Second

// failedBeside reports whether the agent went over to ec2messages beside a failure of its
// channel that was no refusal. The first attempt after a start sets that status whatever
// it fails with; one after a channel that was open sets it only when it is refused.
// Source: amazon-ssm-agent 3.3, agent/ssmconnectionchannel and agent/session/controlchannel.
func failedBeside(n *Node, status Entry) bool {
	return status.Yes() && slices.ContainsFunc([]string{facts.SigWebSocketFailed, facts.SigChannelToken, facts.SigChannelFailed}, func(id string) bool {
		e := n.Log.Last(id)
		return e.Yes() && !SaysRefused(e.Text) && e.Last.Sub(status.Last).Abs() < besideWindow
	})
}

// notAhead is an entry, if its time can be right.
func notAhead(n *Node, e Entry) Entry {
	if e.Yes() && isAhead(n.Facts, e.Last) {
		return n.Log.missing()
	}
	return e
}

// ChannelOpen reports whether the channel stands: opened by this agent, and neither lost nor
// refused since.
func (n *Node) ChannelOpen() bool {
	return n.Channel.Opened.Yes() && n.ChannelOpenSince(n.Channel.Opened.Last)
}

// ChannelOpenSince reports whether a channel that stood at a time still does: it was neither
// lost nor refused, and this agent runs since before.
func (n *Node) ChannelOpenSince(at time.Time) bool {
	return !n.Channel.Lost.Yes() && !n.Channel.Fallback.Yes() && !lastStart(n).After(at) && n.Log.Read() == Yes &&
		!n.Log.CurrentChannel(facts.SigChannelToken, facts.SigChannelFailed, facts.SigWebSocketFailed).Yes()
}

func onChannel(n *Node) Answer {
	socks, ok := n.Facts.Agent.Channel.Get()
	if !ok || n.Endpoints.Of("ssmmessages") == nil {
		return Unknown
	}
	connected := No
	for _, s := range socks {
		if !n.LeadsToChannel(s) {
			continue
		}
		switch n.Answers(s) {
		case Yes:
			return Yes
		case Unknown:
			connected = Unknown
		}
	}
	return connected
}

// LeadsToChannel reports whether a connection is known to be one to ssmmessages: to an
// address that it has now and no other endpoint of the agent.
func (n *Node) LeadsToChannel(s facts.Socket) bool {
	e := n.Endpoints.Of("ssmmessages")
	to, err := netip.ParseAddrPort(s.Remote)
	if e == nil || err != nil || !slices.Contains(addresses(*e), to.Addr().Unmap()) {
		return false
	}
	for _, o := range n.Endpoints.Core {
		if o.Service != e.Service && slices.Contains(addresses(o), to.Addr().Unmap()) {
			return false
		}
	}
	return true
}

// addresses are those of an endpoint, as its name was resolved here.
func addresses(e facts.Endpoint) []netip.Addr {
	var out []netip.Addr
	for _, a := range slices.Concat(e.DNS.A, e.DNS.AAAA, []string{e.DNS.Pinned}) {
		if ip, err := netip.ParseAddr(a); err == nil {
			out = append(out, ip.Unmap())
		}
	}
	return out
}

// OpenedSince reports whether the channel was opened after a refusal of it.
func (n *Node) OpenedSince(refused time.Time) bool {
	return n.Log.openedAfter(facts.Match{ID: facts.SigChannelMDS, Last: refused})
}

// OnMessages reports whether the agent has fallen back to ec2messages, and no
// later entry says that this fails too.
func (n *Node) OnMessages() Answer { return n.messages(n.Channel.Fallback) }

// MessagesWork reports whether the agent gets its commands over ec2messages after a
// refusal of ssmmessages: it says so, or asks there, and is not refused there too.
// Unknown: the log shows neither.
func (n *Node) MessagesWork(refused facts.Match) Answer {
	m := n.Log.Last(facts.SigChannelMDS)
	if m.Yes() && m.Last.Before(refused.First) {
		m = n.Log.missing()
	}
	if !m.Yes() {
		if polls, paused := n.Log.Last(facts.SigMDSPolls), n.Log.Last(facts.SigMDSPaused); polls.Yes() && !paused.Last.After(polls.Last) && !n.Log.StartedAfter(polls.Match) {
			m = polls
		}
	}
	bad := n.Log.Last(facts.SigMDSFailed)
	if !m.Yes() && !bad.Yes() {
		return Unknown
	}
	return n.messages(m)
}

// messages reports whether an entry that says that ec2messages is in use still holds.
func (n *Node) messages(m Entry) Answer {
	bad := n.Log.Last(facts.SigMDSFailed)
	polls := n.Log.Last(facts.SigMDSPolls)
	switch {
	case m.Unread(), m.Yes() && bad.Unread():
		return Unknown
	case m.Yes() && bad.Yes() && SaysRefused(bad.Text) && !bad.Last.Before(m.First) && n.Age(bad.Last) < pausesFor && !polls.Last.After(bad.Last):
		return No // the status is written again after each attempt at ssmmessages
	}
	return answer(m.Yes() && (!bad.Yes() || m.Last.After(bad.Last)))
}

// pausesFor is how long the agent leaves ec2messages alone after some failures, and what
// it takes to fail again.
// Source: amazon-ssm-agent, agent/messageservice/interactor/mdsinteractor.
const pausesFor = 20 * time.Minute
