package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// This file holds what keeps the message channel from being opened, beside rights.

// answeredUpgrade is the entry of a websocket request of the agent that lately got 403.
// sure tells whether that is known to be AWS's own verdict: it answers such requests of this
// run on a direct connection, so that nothing on the way does.
func answeredUpgrade(n *node.Node) (m node.Entry, sure node.Answer) {
	m = n.Log.CurrentChannel(facts.SigWebSocketFailed)
	if !m.Yes() || !strings.Contains(m.Text, "403 Forbidden") || n.Age(m.Last) >= n.Agent.HealthGap() || n.Log.StartedAfter(m.Match) {
		return m, node.No
	}
	e := n.Endpoints.Of("ssmmessages")
	if e == nil || e.WebSocket.Unknown() || n.Endpoints.Proxied == node.Unknown {
		return m, node.Unknown
	}
	if w, _ := e.WebSocket.Get(); !w.AWS || n.Endpoints.Proxied == node.Yes {
		return m, node.No
	}
	return m, node.Yes
}

// endpointStops reports whether what this run met at the endpoint of the channel is reason
// enough: it cannot be connected, or something in its place answers a websocket request.
func endpointStops(n *node.Node) bool {
	e := n.Endpoints.Of("ssmmessages")
	if e == nil {
		return false
	}
	w, asked := e.WebSocket.Get()
	return !e.Connected() || asked && !w.AWS
}

// channelCut reports whether no channel can be opened over the endpoint of ssmmessages, as
// far as this run tried it.
func channelCut(n *node.Node) bool {
	e := n.Endpoints.Of("ssmmessages")
	return endpointStops(n) || e != nil && !e.Usable()
}
