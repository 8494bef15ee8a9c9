package checks

import (
	"fmt"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// ChannelConnection is channel-connection.
var ChannelConnection = register(Check{
	ID: "channel-connection", Group: "network", Title: "The agent's channel is on a living connection",
	Station: AtChannel,
	Needs:   []*Check{AgentService, PermissionChannel},
	Causes:  []string{"channel-stale-connection", "channel-down"},
	Doc: "Reads the agent's connections to port 443 from the kernel. When data on one goes unanswered while new connections work, a NAT gateway, firewall or changed route has dropped it. " +
		"Linux shows repeated data, macOS how much waits for an answer. Windows shows neither: there a connection passes only if the agent is 3.3.987.0 or newer, which pings its channel and drops one that does not answer for two minutes. " +
		"Older agents notice only after time-outs of the system. Where there is no connection, or the older channel is in use, the agent's log tells whether it fails to open one.",
	Eval: func(n *node.Node) Finding {
		seen := n.Facts.Agent.Channel
		m := channelFailure(n)
		lately := m.Yes() && n.Age(m.Last) < n.Agent.HealthGap()
		live, sure := len(seen.Some()), true
		var strange *facts.Socket // dead, and whose it is was not shown
		for _, s := range seen.Some() {
			switch n.Answers(s) {
			case node.No:
				if s.Unsure && (!n.LeadsToChannel(s) || len(n.Facts.Agent.Processes.Value.Others) > 0) { // such as a container's agent, root's too
					strange = &s
					continue
				}
				return judgeDeadSocket(n, s)
			case node.Unknown:
				sure = false
			}
		}
		switch {
		case strange != nil:
			return unread("connections of the agent", seen).add("; one of its user, to %s, is dead, and may be the agent's", strange.Remote).failing(Breaks)
		case seen.Unknown() && seen.Obstacle() == facts.NotAskable && lately:
			return blameChannel(n, m)
		case seen.Unknown():
			return unread("connections of the agent", seen)
		case m.Yes() && live == 0:
			return blameChannel(n, m).saw("connections of the agent to port 443", "none", seen.From)
		case lately && n.OnMessages() == node.Yes:
			return blameChannel(n, m)
		case m.Unread():
			return unreadLog(n).say("%s to port 443; whether the agent fails to open its channel was not read: %s", connections(live), n.Log.Unseen().Reason())
		case live > 0:
			if full, fixed := bufferFull(n); full.Yes() {
				return warns("%s to port 443, but the buffer of commands was full %s: before %s the channel can lock up then; if commands stay pending, restart the agent", connections(live), n.Ago(full.Last), fixed).logged(full)
			}
			if !sure {
				return unknown("%s to port 443; whether what the agent sends there is answered, this system does not tell, and agents before 3.3.987.0 notice late that it is not: if commands stay pending, restart the agent", connections(live))
			}
			return pass("%s to port 443", connections(live))
		case n.Agent.Core == node.No, n.Agent.Worker == node.No && n.Agent.Separate == node.Yes:
			return skip("the agent does not run, or waits for credentials")
		case n.Endpoints.Proxied == node.Yes:
			return skip("the agent's connections go to its proxy")
		}
		return unknown("the agent has no connection to port 443, and its log does not say why")
	},
})

// judgeDeadSocket judges a connection whose data goes unanswered.
func judgeDeadSocket(n *node.Node, s facts.Socket) Finding {
	if e := n.Endpoints.Of("ssmmessages"); e == nil || !e.Connected() {
		return unknown("a connection to %s goes unanswered, and whether a new one works is not known", s.Remote).failing(Breaks)
	}
	full, fixed := bufferFull(n)
	sure, how := Proven, fmt.Sprintf("%d retransmissions without answer, %d bytes queued", s.Retransmits, s.Unacked)
	if s.WaitedMS > 0 {
		sure, how = Likely, fmt.Sprintf("%d bytes sent, no answer in %d ms", s.Unacked, s.WaitedMS)
	}
	if s.Unsure {
		sure, how = Likely, how+"; it belongs to the agent's user, and whether to the agent is not shown to this user"
	}
	fd := breaks("channel-stale-connection", sure, "the agent's connection to %s is dead: its data goes unanswered, while a new connection works; a restart reconnects it", s.Remote).
		saw("connection "+s.Local+" to "+s.Remote, how, n.Facts.Agent.Channel.From).
		saw("new connection to ssmmessages", "connected", "connect").logged(full).
		fix(causes.Get("channel-stale-connection").Fix...)
	if full.Yes() {
		fd = fd.saw("agent version", n.Agent.Version+"; before "+fixed+" the channel can lock up behind a full buffer", n.Facts.Agent.Running.From)
	}
	return fd.fix(causes.Step{Text: "If it comes back, update the agent: later releases notice a dead connection sooner", Command: "{reinstall}", Where: causes.OnHost, Root: true})
}

// bufferFull is the latest entry of the last day about a full buffer of commands, behind
// which the control channel of this release can lock up, and the release that mended it.
// Source: amazon-ssm-agent, RELEASENOTES.md at 3.3.5226.
func bufferFull(n *node.Node) (full node.Entry, fixed string) {
	may, fixed := n.MayDeadlock()
	if full = n.Log.Recent(facts.SigBufferFull); may != node.Yes || !full.Yes() || n.Log.StartedAfter(full.Match) {
		return node.Entry{}, fixed
	}
	return full, fixed
}

// channelFailure is the latest failure to open the channel that no success has
// overtaken. Refusals are for permission-channel.
func channelFailure(n *node.Node) node.Entry {
	last := node.Entry{Found: node.No}
	if n.Channel.Tried.Yes() {
		last = n.Channel.Lost
	}
	for _, id := range []string{facts.SigChannelFailed, facts.SigWebSocketFailed, facts.SigChannelToken} {
		m := n.Log.CurrentChannel(id)
		if m.Yes() && (!last.Yes() || m.Last.After(last.Last)) || m.Unread() && !last.Yes() {
			last = m
		}
	}
	if last.Yes() && n.Log.StartedAfter(last.Match) && n.Age(last.Last) >= n.Agent.HealthGap() {
		return node.Entry{Found: node.No} // of an earlier process, and of no time since
	}
	refused := n.Channel.Refused.Yes() && n.Channel.Refused.First.After(last.Last)
	if last.Yes() && (refused || node.SaysRefused(last.Text) && !n.Refusals.Outdated(last.Last)) {
		return node.Entry{Found: node.No}
	}
	return last
}

// blameChannel says that the agent does not get its channel open, and what that means.
func blameChannel(n *node.Node, m node.Entry) Finding {
	if e := n.Endpoints.Of("ssmmessages"); e != nil && e.Connected() && e.WebSocket.Unknown() && e.WebSocket.Obstacle() != facts.NotAskable {
		return unread("websocket", e.WebSocket).add("; the agent fails to open its message channel, last %s", n.Ago(m.Last)).failing(Breaks).logged(m)
	}
	if n.Endpoints.Tried != node.Yes {
		return unreadEndpoints(n).say("the agent fails to open its message channel, last %s, and whether its endpoint can be reached was not read: %s", n.Ago(m.Last), n.Endpoints.Unseen().Reason()).failing(Breaks).logged(m)
	}
	if _, refused := answeredUpgrade(n); refused == node.Yes || endpointStops(n) {
		return unknown("the agent fails to open its message channel, last %s, and others say why: whether it opens after that is not known", n.Ago(m.Last)).logged(m)
	}
	fd := breaks("channel-down", Likely, "the agent fails to open its message channel, last %s: ", n.Ago(m.Last)).logged(m)
	switch n.OnMessages() {
	case node.Yes:
		fd = fd.add("commands come over ec2messages, sessions do not work")
	case node.No:
		fd = fd.add("neither sessions nor commands reach this node")
	default:
		fd = fd.add("sessions do not work")
	}
	if e := n.Endpoints.Of("ssmmessages"); e != nil {
		fd = fd.with("endpoint", e.Host)
	}
	return withKnownBad(n, fd, n.Agent.Version)
}

// connections is a number of them.
func connections(n int) text.Text {
	if n == 1 {
		return text.New("1 connection")
	}
	return text.New("%d connections", n)
}
