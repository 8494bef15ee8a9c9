package checks

import (
	"fmt"

	"ssm-doctor/checks/facts"
)

// deadRetransmits is how many unanswered retransmissions of one segment make a
// connection dead: with Linux's timers 3 take over a second, which no healthy
// path needs.
const deadRetransmits = 3

var _ = register(Check{
	ID: "channel-connection", Group: "network", Title: "The agent's channel is on a living connection",
	Causes: []string{"channel-stale-connection"},
	Needs:  []string{"agent-service", "agent-worker", "network-egress", "tls-trust", "websocket", "permission-channel"},
	Doc: "The kernel's view of the agent's connections to port 443: one whose data goes unanswered while new connections work sits on a flow that a NAT gateway, firewall or changed route has dropped. " +
		"The agent notices only after its own time-outs.",
	Eval: func(f *facts.Facts) Finding {
		socks, ok := f.Agent.Channel.Get()
		if !ok {
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
