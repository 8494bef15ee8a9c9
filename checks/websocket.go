package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "websocket", Group: "network", Title: "The message channel's websocket gets through",
	Causes: []string{"websocket-blocked"},
	Needs:  []string{"dns", "dns-pin", "dns-private", "network-egress", "tls-trust", "proxy", "proxy-applied", "clock"},
	Doc: "An upgrade request without a signature to ssmmessages, which AWS refuses with its own error. Any other answer, or none, shows a proxy or firewall that passes HTTPS and stops websockets. " +
		"No channel is opened. A proxy that cuts long connections later shows only in the agent's log.",
	Eval: namesOfAgent(func(f *facts.Facts) Finding {
		e := f.Network.Endpoint("ssmmessages")
		if e == nil {
			return unknown("endpoints: %s", noNetwork(f))
		}
		m, logged := currentChannel(f, facts.SigWebSocketFailed)
		w, ok := e.WebSocket.Get()
		if ok && !w.AWS && w.Outcome != "" {
			what := fmt.Sprintf("HTTP %d", w.Status)
			if w.Status == 0 {
				what = orWord(w.Error, w.Outcome)
			} else if w.Server != "" {
				what += " from " + w.Server
			}
			fd := fail("websocket-blocked", Proven, "HTTPS to %s works, but a websocket upgrade does not get through: %s", e.Host, what).
				saw("websocket upgrade to "+e.Host, strings.TrimSpace(what+" "+w.Error), e.WebSocket.From).with("endpoint", e.Host)
			if logged {
				fd = fd.logged(m)
			}
			return blockedAt(f, *e, fd)
		}
		if ok && w.AWS {
			if logged && strings.Contains(m.Text, "bad handshake") && age(f, m.Last) < healthGap(f) {
				// The unsigned upgrade is answered by AWS; the agent's own fails. What lies between sees the difference, or AWS refused.
				return Finding{Status: Warn, Summary: "an unsigned websocket request is answered by AWS, but the agent's own failed lately: " + cut(m.Text, 120)}
			}
			return pass("AWS answers the upgrade request")
		}
		if logged && e.Connected() {
			return fail("websocket-blocked", Likely, "the agent's websocket to %s fails although HTTPS connects", e.Host).logged(m).with("endpoint", e.Host)
		}
		return unknown("websocket: %s", e.WebSocket.Reason())
	}),
})
