package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// connectionSockets are the agent's connections to port 443.
func connectionSockets(list ...facts.Socket) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Agent.Channel = facts.Known(append([]facts.Socket{}, list...), "file:/proc/net/tcp")
	}
}

// connectionFails is a failure to open the channel, so long ago.
func connectionFails(signature, text string, before time.Duration) func(*facts.Facts) {
	return func(f *facts.Facts) { log(f, signature, before, text) }
}

// connectionAgent is an agent of a release.
func connectionAgent(version string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Agent.Installed, f.Agent.Running = facts.Known(version, ""), facts.Known(version, "")
	}
}

// connectionUnread is a host whose connections cannot be listed.
func connectionUnread(code facts.Reason) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Agent.Channel = facts.Unknown[[]facts.Socket]("not available here", "").Because(code)
	}
}

// connectionPartly are connections of which some may be another program's.
func connectionPartly(list ...facts.Socket) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Agent.Channel = facts.Partly(list, "not permitted", "file:/proc/net/tcp").Because(facts.NeedsRoot)
	}
}

func unsure(to string, retransmits int) facts.Socket {
	return facts.Socket{Local: "10.0.12.34:48003", Remote: to, Retransmits: retransmits, Unsure: true}
}

// connectionOthers: a container with the network of the host has an agent too.
func connectionOthers(f *facts.Facts) {
	f.Agent.Processes.Value.Others = append(f.Agent.Processes.Value.Others, facts.OtherProcess{PID: 4711, Exe: "amazon-ssm-agent"})
}

func TestChannelConnection(t *testing.T) {
	t.Parallel()
	live := facts.Socket{Local: "10.0.12.34:48000", Remote: "52.119.181.21:443"}
	dead := facts.Socket{Local: "10.0.12.34:48001", Remote: "52.119.181.22:443", Retransmits: 7, Unacked: 310}
	untold := facts.Socket{Local: "10.0.12.34:48002", Remote: "52.119.181.21:443", Untold: true}
	fails := connectionFails(facts.SigChannelFailed, "ERROR Error setting up control channel: unexpected response from the service 500 Internal Server Error", 2*time.Minute)
	down := func(says, saw string) want {
		return want{status: Warn, effect: Breaks, cause: "channel-down", confidence: Likely, says: says, saw: saw}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "1 connection to port 443")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "1 connection to port 443")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "1 connection to port 443")},
		{name: "windows", kind: "windows", fault: connectionUnread(facts.NotAskable), want: is(Unknown, "connections of the agent: not available here")},
		{name: "task", kind: "task", want: is(Pass, "1 connection to port 443")},
		{name: "a few retransmissions", fault: connectionSockets(live, facts.Socket{Remote: "52.119.181.22:443", Retransmits: 2}), want: is(Pass, "2 connections")},
		{name: "failing, and connected", fault: fails, want: is(Pass, "1 connection to port 443")},
		{name: "opened since", fault: netAll(connectionSockets(live), fails, connectionFails(facts.SigChannelUp, "INFO Set up control channel successfully", time.Minute)), want: is(Pass, "1 connection")},

		{name: "behind a full buffer", fault: connectionFails(facts.SigBufferFull, "ERROR received error code while checking processor buffer space ProcessorBufferFull", 2*time.Hour),
			want: want{status: Warn, says: "the buffer of commands was full 2 h ago: before 3.3.5226.0 the channel can lock up then", saw: "agent log: ERROR received error code"}},
		{name: "behind a full buffer, mended", fault: netAll(connectionFails(facts.SigBufferFull, "ERROR ProcessorBufferFull", 2*time.Hour), func(f *facts.Facts) {
			f.Agent.Installed, f.Agent.Running = facts.Known("3.3.5226.0", ""), facts.Known("3.3.5226.0", "")
		}), want: is(Pass, "1 connection")},
		{name: "dead", fault: connectionSockets(live, dead), want: want{status: Warn, effect: Breaks, cause: "channel-stale-connection", confidence: Proven,
			says: "the agent's connection to 52.119.181.22:443 is dead: its data goes unanswered, while a new connection works; a restart reconnects it", saw: "connection 10.0.12.34:48001 to 52.119.181.22:443: 7 retransmissions without answer, 310 bytes queued (file:/proc/net/tcp)"}},
		{name: "dead, a new one", fault: connectionSockets(dead), want: want{status: Warn, effect: Breaks, cause: "channel-stale-connection", saw: "new connection to ssmmessages: connected (connect)"}},
		{name: "dead on macOS", kind: "mac", fault: connectionSockets(live, facts.Socket{Local: "10.0.0.10:49152", Remote: "52.119.181.22:443", Unacked: 62, WaitedMS: 1100}),
			want: want{status: Warn, effect: Breaks, cause: "channel-stale-connection", confidence: Likely, says: "is dead", saw: "connection 10.0.0.10:49152 to 52.119.181.22:443: 62 bytes sent, no answer in 1100 ms"}},
		{name: "in flight on macOS", kind: "mac", fault: connectionSockets(facts.Socket{Remote: "52.119.181.22:443", Unacked: 62}), want: is(Pass, "1 connection")},
		{name: "not told, watched by the agent", kind: "windows", fault: connectionSockets(untold), want: is(Pass, "1 connection")},
		{name: "not told, old agent", kind: "windows", fault: netAll(connectionSockets(untold), connectionAgent("3.3.859.0")), want: is(Unknown, "this system does not tell")},
		{name: "not told, agent of unknown release", kind: "mac", fault: netAll(connectionSockets(live, untold), connectionAgent("")), want: is(Unknown, "if commands stay pending, restart the agent")},
		{name: "told, old agent", fault: netAll(connectionSockets(live), connectionAgent("2.3.1319.0")), want: is(Pass, "1 connection")},
		{name: "none, and failing", fault: netAll(connectionSockets(), fails), want: down("the agent fails to open its message channel, last 2 min ago: neither sessions nor commands reach this node", "connections of the agent to port 443: none (file:/proc/net/tcp)")},
		{name: "none, and failing by websocket", fault: netAll(connectionSockets(), websocketFailed(3*time.Minute)), want: down("last 3 min ago", "agent log: ERROR Failed to open websocket")},
		{name: "none, and failing since long", fault: netAll(connectionSockets(), connectionFails(facts.SigChannelToken, "ERROR Failed to get controlchannel token: timeout", 2*time.Hour)), want: down("last 2 h ago", "")},
		{name: "on ec2messages, and failing", fault: netAll(netMessages, fails), want: down("commands come over ec2messages, sessions do not work", "agent log: ERROR Error setting up control channel")},
		{name: "on ec2messages, ec2messages fails too", fault: netAll(netMessages, fails, connectionSockets(), connectionFails(facts.SigMDSFailed, "GetMessages Error", time.Minute)), want: down("neither sessions nor commands", "")},
		{name: "cannot be listed here, and failing", kind: "windows", fault: netAll(connectionUnread(facts.NotAskable), fails), want: down("last 2 min ago: neither sessions nor commands", "")},
		{name: "cannot be listed here, the log in part", kind: "windows", fault: netAll(connectionUnread(facts.NotAskable), fails, func(f *facts.Facts) {
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "permission denied", "")
		}), want: down("last 2 min ago: sessions do not work", "")},

		{name: "on ec2messages, failed long ago", fault: netAll(netMessages, connectionFails(facts.SigChannelFailed, "ERROR Error setting up control channel", 50*time.Minute)), want: is(Pass, "1 connection")},
		{name: "failed, and refused since", fault: netAll(connectionSockets(), fails, connectionFails(facts.SigChannelMDS, "INFO SSM Connection channel status is set to ec2messages", time.Minute)), want: is(Unknown, "no connection to port 443, and its log does not say why")},
		{name: "refused", fault: netAll(connectionSockets(), connectionFails(facts.SigChannelToken, "CreateControlChannel failed: AccessDeniedException", time.Minute)), want: is(Unknown, "no connection to port 443, and its log does not say why")},
		{name: "failing, network not tried", fault: netAll(connectionSockets(), fails, netOffline), want: want{status: Unknown, effect: Breaks, says: "whether its endpoint can be reached was not read: offline"}},
		{name: "failing, websocket not tried", fault: netAll(connectionSockets(), fails, func(f *facts.Facts) {
			f.Network.Endpoint("ssmmessages").WebSocket = facts.Seen[facts.HTTP]{}
		}), want: want{status: Unknown, effect: Breaks, says: "websocket: not looked at; the agent fails to open its message channel"}},
		{name: "not running", fault: netAll(connectionSockets(), func(f *facts.Facts) { f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc") }), want: is(Skip, "the agent does not run")},
		{name: "no worker", fault: neverAccepted, want: is(Skip, "waits for credentials")},
		{name: "proxied", fault: netAll(connectionSockets(), netProxied(facts.Connect{Outcome: facts.OK})), want: is(Skip, "go to its proxy")},
		{name: "proxied, and failing", fault: netAll(connectionSockets(), netProxied(facts.Connect{Outcome: facts.OK}), fails), want: down("", "")},

		{name: "none", fault: connectionSockets(), want: is(Unknown, "the agent has no connection to port 443, and its log does not say why")},
		{name: "the agent's own is dead, others are not told", fault: connectionPartly(dead, unsure("52.119.181.21:443", 7)), want: want{status: Warn, effect: Breaks, cause: "channel-stale-connection", confidence: Proven,
			says: "connection to 52.119.181.22:443 is dead", saw: "7 retransmissions without answer"}},
		{name: "one of the agent's user is dead, to the channel", fault: connectionPartly(unsure("52.119.181.21:443", 7)), want: want{status: Warn, effect: Breaks, cause: "channel-stale-connection", confidence: Likely,
			says: "connection to 52.119.181.21:443 is dead", saw: "whether to the agent is not shown to this user"}},
		{name: "one of the agent's user is dead, elsewhere", fault: connectionPartly(unsure("203.0.113.9:443", 7)), want: want{status: Unknown, effect: Breaks, says: "one of its user, to 203.0.113.9:443, is dead, and may be the agent's"}},
		{name: "one of the agent's user is dead, to the channel, and a container has an agent", fault: netAll(connectionPartly(unsure("52.119.181.21:443", 7)), connectionOthers), want: want{status: Unknown, effect: Breaks, says: "one of its user, to 52.119.181.21:443, is dead, and may be the agent's"}},
		{name: "the agent's own is dead, and a container has an agent", fault: netAll(connectionSockets(live, dead), connectionOthers), want: want{status: Warn, effect: Breaks, cause: "channel-stale-connection", confidence: Proven,
			says: "connection to 52.119.181.22:443 is dead", saw: "7 retransmissions without answer"}},
		{name: "one of the agent's user lives", fault: connectionPartly(unsure("52.119.181.21:443", 0)), want: is(Unknown, "connections of the agent")},
		{name: "unread", fault: netAll(connectionUnread(facts.NeedsRoot), fails), want: is(Unknown, "connections of the agent: not available here")},
		{name: "cannot be listed here, failed long ago", kind: "windows", fault: netAll(connectionUnread(facts.NotAskable), connectionFails(facts.SigChannelFailed, "x", 50*time.Minute)), want: is(Unknown, "connections of the agent")},
		{name: "log unread", fault: unreadLogOf, want: is(Unknown, "1 connection to port 443; whether the agent fails to open its channel was not read: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "dead, network unread", fault: netAll(connectionSockets(dead), netOffline), want: want{status: Unknown, effect: Breaks, says: "a connection to 52.119.181.22:443 goes unanswered, and whether a new one works is not known"}},
		{name: "dead, nothing works", fault: netAll(connectionSockets(dead), netTimeout()), want: want{status: Unknown, effect: Breaks, says: "whether a new one works is not known"}},
	}
	judge(t, ChannelConnection, table)
	judgeUnread(t, ChannelConnection, table)
}
