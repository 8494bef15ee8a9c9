package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// websocketEnds makes the upgrade request end so.
func websocketEnds(h facts.HTTP) func(*facts.Facts) {
	return netEach(func(e *facts.Endpoint) {
		e.WebSocket = facts.Known(h, "https:GET "+e.Host+"/, upgrade, unsigned")
	}, "ssmmessages")
}

// websocketUnread is an upgrade request that was not sent.
func websocketUnread(f *facts.Facts) {
	f.Network.Endpoint("ssmmessages").WebSocket = facts.Unknown[facts.HTTP]("not asked", "")
}

// websocketFailed is a websocket of the agent that did not open, so long ago.
func websocketFailed(before time.Duration) func(*facts.Facts) {
	return func(f *facts.Facts) {
		log(f, facts.SigWebSocketFailed, before, "ERROR Failed to open websocket: websocket: bad handshake")
	}
}

func TestWebsocket(t *testing.T) {
	t.Parallel()
	const host = "ssmmessages.eu-central-1.amazonaws.com"
	cut := websocketEnds(facts.HTTP{Outcome: facts.Reset, Error: "the connection was closed without an answer"})
	named := func(c Confidence, says, saw string) want {
		return want{status: Fail, effect: Ends, cause: "websocket-blocked", confidence: c, says: says, saw: saw, value: "endpoint=" + host}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "AWS answers the upgrade request")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "AWS answers the upgrade request")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "AWS answers the upgrade request")},
		{name: "windows", kind: "windows", want: is(Pass, "AWS answers the upgrade request")},
		{name: "task", kind: "task", want: is(Unknown, "endpoints: no Region is known")},
		{name: "failed long ago", fault: websocketFailed(50 * time.Minute), want: is(Pass, "AWS answers the upgrade request")},
		{name: "opened since", fault: netAll(websocketFailed(4*time.Minute), func(f *facts.Facts) {
			log(f, facts.SigChannelUp, 3*time.Minute, "INFO Set up control channel successfully")
		}), want: is(Pass, "AWS answers the upgrade request")},
		{name: "failed otherwise", fault: func(f *facts.Facts) {
			log(f, facts.SigWebSocketFailed, time.Minute, "Failed to dial websocket: i/o timeout")
		}, want: is(Pass, "AWS answers the upgrade request")},

		{name: "cut off", fault: cut, want: named(Proven, "HTTPS to "+host+" works, but a websocket upgrade does not get through: the connection was closed without an answer", "websocket upgrade to "+host+": the connection was closed without an answer (https:GET "+host+"/, upgrade, unsigned)")},
		{name: "refused by a device", fault: websocketEnds(facts.HTTP{Status: 403, Server: "squid", Outcome: facts.OK}), want: named(Proven, "HTTP 403 from squid", "")},
		{name: "cut off, and the agent says so", fault: netAll(cut, websocketFailed(time.Minute)), want: named(Proven, "", "agent log: ERROR Failed to open websocket")},
		{name: "cut off, log unread", fault: netAll(cut, unreadLogOf), want: want{status: Fail, effect: Blocks, cause: "websocket-blocked", confidence: Proven}},
		{name: "cut off, commands by ec2messages", fault: netAll(netMessages, cut), want: want{status: Warn, effect: Breaks, cause: "websocket-blocked", confidence: Proven, says: "commands come over ec2messages, sessions do not work"}},
		{name: "as a user", fault: netAll(netUser, cut), want: named(Proven, "", "")},
		{name: "the agent alone fails", fault: websocketFailed(time.Minute), want: is(Warn, "AWS answers an unsigned websocket request, but the agent's own failed lately: ERROR Failed to open websocket: websocket: bad handshake")},
		{name: "by the log", fault: netAll(neverAccepted, websocketUnread, websocketFailed(time.Minute)), want: want{status: Fail, effect: Blocks, cause: "websocket-blocked", confidence: Likely, says: "the agent's websocket to " + host + " fails although a connection can be made", saw: "bad handshake"}},
		{name: "by the log, accepted", fault: netAll(websocketUnread, websocketFailed(time.Minute)), want: want{status: Warn, effect: Breaks, cause: "websocket-blocked", confidence: Likely}},

		{name: "by the log, no connection", fault: netAll(netTimeout("ssmmessages"), websocketFailed(time.Minute)), want: is(Unknown, "websocket: not asked")},
		{name: "not asked", fault: websocketUnread, want: is(Unknown, "websocket: not asked")},
		{name: "log unread", fault: unreadLogOf, want: is(Unknown, "AWS answers an unsigned upgrade request; whether the agent's own gets through was not read: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "offline", fault: netOffline, want: is(Unknown, "endpoints: offline")},
		{name: "dual stack", fault: netAll(netDual, cut), want: is(Unknown, "but the agent uses dual-stack endpoints")},
	}
	judge(t, Websocket, table)
	judgeUnread(t, Websocket, table)
}
