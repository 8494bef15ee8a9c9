package checks

import (
	"time"

	"ssm-doctor/checks/facts"
)

const day = 24 * time.Hour

var _ = register(Check{
	ID: "node-managed", Group: "none", Title: "The service accepts this node",
	Needs: append([]string{"agent-service", "agent-stable", "agent-worker", "agent-backoff", "permission-channel", "profile-vs-dhmc", "websocket"}, acceptance...),
	Doc: "Looks for something that only an accepted call leaves behind: a heartbeat, a renewed credential, an open channel, recent enough and with no failure after it. " +
		"This is the proof of a managed node; everything else is the search for what is in the way.",
	Eval: func(f *facts.Facts) Finding {
		if p, ok := Managed(f); ok {
			return Finding{Status: Pass, Summary: "accepted " + ago(f, p.At), Evidence: []Evidence{{What: "last accepted call", Seen: cut(p.What, 200), From: p.From, At: stamp(p.At)}}}
		}
		if why, ok := logReadable(f); !ok {
			return unknown("agent log: %s", why)
		}
		if p := lastSuccess(f); !p.At.IsZero() {
			return unknown("last accepted %s, too long ago or followed by a failure", ago(f, p.At))
		}
		return unknown("no accepted call is on record")
	},
})
