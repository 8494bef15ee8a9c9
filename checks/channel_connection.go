package checks

import (
	"fmt"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// deadRetransmits is how many unanswered retransmissions of one segment make a
// connection dead: with Linux's timers 3 take over a second, which no healthy
// path needs.
const deadRetransmits = 3

var _ = register(Check{
	ID: "channel-connection", Group: "network", Title: "The agent's channel is on a living connection",
	Causes: []string{"channel-stale-connection", "channel-down"},
	Needs:  []string{"agent-service", "agent-worker", "network-egress", "tls-trust", "websocket", "permission-channel"},
	Doc: "The kernel's view of the agent's connections to port 443: one whose data goes unanswered while new connections work sits on a flow that a NAT gateway, firewall or changed route has dropped. " +
		"The agent notices only after its own time-outs. Without any, or with the older channel in use, its log tells whether it fails to open one.",
	Eval: func(f *facts.Facts) Finding {
		socks, ok := f.Agent.Channel.Get()
		m, failing := channelFails(f)
		if !ok {
			if failing && age(f, m.Last) < healthGap(f) {
				return channelDown(f, m)
			}
			return unknown("connections of the agent: %s", f.Agent.Channel.Reason())
		}
		live := 0
		var dead *facts.Socket
		for i, s := range socks {
			if s.Retransmits >= deadRetransmits {
				dead = &socks[i]
			} else {
				live++
			}
		}
		if dead == nil && failing && (live == 0 || onMessages(f) && age(f, m.Last) < healthGap(f)) {
			fd := channelDown(f, m)
			if live == 0 {
				fd = fd.saw("connections of the agent to port 443", "none", f.Agent.Channel.From)
			}
			return fd
		}
		if dead == nil {
			return pass("%d connections to port 443", live)
		}
		if e := f.Network.Endpoint("ssmmessages"); e == nil || !e.Connected() {
			return unknown("a connection to %s goes unanswered, and whether a new one works is not known", dead.Remote)
		}
		return warn("channel-stale-connection", Proven, "the agent's connection to %s is dead: its data goes unanswered, while a new connection works; a restart reconnects it", dead.Remote).
			saw("connection "+dead.Local+" to "+dead.Remote, fmt.Sprintf("%d retransmissions without answer, %d bytes queued", dead.Retransmits, dead.Unacked), f.Agent.Channel.From).
			saw("new connection to ssmmessages", "connected", "connect")
	},
})

// channelFails is the latest failure to open the channel that no success has
// overtaken. Refusals are for permission-channel.
func channelFails(f *facts.Facts) (facts.Match, bool) {
	var last facts.Match
	for _, id := range []string{facts.SigChannelFailed, facts.SigWebSocketFailed, facts.SigChannelToken} {
		if m, ok := currentChannel(f, id); ok && m.Last.After(last.Last) {
			last = m
		}
	}
	return last, last.Count > 0 && !refusedText(last.Text)
}

// onMessages reports whether the agent has fallen back to ec2messages.
func onMessages(f *facts.Facts) bool {
	m, ok := currentChannel(f, facts.SigChannelMDS)
	bad, failed := f.Log.Last(facts.SigMDSFailed)
	return ok && (!failed || m.Last.After(bad.Last))
}

// blockedAt says what a fault on the way to an endpoint means. The channel is
// ssmmessages or ec2messages: without the former a node whose agent fell back to
// the latter, and whose heartbeats are accepted, is managed without sessions.
func blockedAt(f *facts.Facts, e facts.Endpoint, fd Finding) Finding {
	_, accepted := Managed(f)
	if ssm := f.Network.Endpoint("ssm"); e.Service != "ssmmessages" || !accepted || !onMessages(f) || ssm == nil || !ssm.Usable() {
		return fd.blocking()
	}
	fd.Status = Warn
	fd.Summary += "; commands come over ec2messages, sessions do not work"
	return fd.severity(causes.Warning)
}

func channelDown(f *facts.Facts, m facts.Match) Finding {
	what := "neither sessions nor commands reach this node"
	if onMessages(f) {
		what = "commands come over ec2messages, sessions do not work"
	}
	fd := warn("channel-down", Likely, "the agent fails to open its message channel, last %s: %s", ago(f, m.Last), what).logged(m)
	if e := f.Network.Endpoint("ssmmessages"); e != nil {
		fd = fd.with("endpoint", e.Host)
	}
	return fd
}
