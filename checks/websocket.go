package checks

import (
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Websocket is websocket.
var Websocket = register(Check{
	ID: "websocket", Group: "network", Title: "The message channel's websocket gets through",
	Station: AtChannel,
	Needs:   []*Check{TlsTrust},
	Causes:  []string{"websocket-blocked"},
	Doc: "An upgrade request without a signature to ssmmessages, which AWS refuses with its own error. Any other answer, or none, shows a proxy or firewall that passes HTTPS and stops websockets. " +
		"No channel is opened. A proxy that cuts long connections later shows only in the agent's log.",
	Eval: agentsNames(func(n *node.Node) Finding {
		e := n.Endpoints.Of("ssmmessages")
		if e == nil {
			return unreadEndpoints(n)
		}
		m := n.Log.CurrentChannel(facts.SigWebSocketFailed)
		w, asked := e.WebSocket.Get()
		switch {
		case asked && !w.AWS:
			fd := blocks("websocket-blocked", Proven, "HTTPS to %s works, but a websocket upgrade does not get through: %s", e.Host, httpWord(w)).
				saw("websocket upgrade to "+e.Host, httpWord(w), e.WebSocket.From).with("endpoint", e.Host)
			return stopsAt(n, *e, fd.logged(m)).fix(websocketSteps(n, *e)...)
		case asked && m.Unread():
			return unreadLog(n).say("AWS answers an unsigned upgrade request; whether the agent's own gets through was not read: %s", n.Log.Unseen().Reason())
		case asked && m.Yes() && strings.Contains(m.Text, "bad handshake") && n.Age(m.Last) < n.Agent.HealthGap():
			// What lies between tells the two requests apart, or AWS refused the agent's.
			return warns("AWS answers an unsigned websocket request, but the agent's own failed lately: %s", text.Cut(m.Text, 120))
		case asked:
			return pass("AWS answers the upgrade request")
		case m.Yes() && e.Connected():
			return stops(n, "websocket-blocked", Likely, "the agent's websocket to %s fails although a connection can be made", e.Host).logged(m).with("endpoint", e.Host).fix(websocketSteps(n, *e)...)
		}
		return unread("websocket", e.WebSocket)
	}),
})

// websocketSteps are those of the cause, with another way where this host has one.
func websocketSteps(n *node.Node, e facts.Endpoint) []causes.Step {
	var out []causes.Step
	for _, s := range causes.Get("websocket-blocked").Fix {
		out = append(out, s)
		if strings.HasPrefix(s.Command, "echo ") {
			out = append(out, goAround(n, e)...)
		}
	}
	return out
}
