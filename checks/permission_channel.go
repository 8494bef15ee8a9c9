package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

const channelAction = "ssmmessages:CreateControlChannel"

var _ = register(Check{
	ID: "permission-channel", Group: "permissions", Title: "The message channel is allowed",
	Causes: []string{"iam-missing-channel-action", "iam-explicit-deny", "vpce-policy-deny"},
	Needs:  []string{"permission-registration", "profile-vs-dhmc", "credential-source", "instance-profile-trust", "network-egress", "websocket", "clock", "tls-trust"},
	Doc: "Commands and sessions reach a node over ssmmessages; agents fall back to ec2messages for commands when it is refused. Opening a channel could displace the agent's own, so it is never tried: " +
		"refusals come from the agent's log.",
	Eval: func(f *facts.Facts) Finding {
		if Kind(f) == KindECS {
			return skip("see ecs-task-role")
		}
		m, refused := channelRefusal(f)
		if !refused {
			for _, r := range loggedRefusals(f) {
				if strings.HasPrefix(r.Refusal.Action, "ssmmessages:") && r.Denied && !laterChannel(f, r) {
					return channelFinding(f, r, false)
				}
			}
			if up, ok := f.Log.Last(facts.SigChannelMGS); ok {
				return pass("channel over ssmmessages %s", ago(f, up.Last))
			}
			if up, ok := f.Log.Last(facts.SigChannelUp); ok {
				return pass("channel opened %s", ago(f, up.Last))
			}
			return unknown("no attempt to open a channel is on record")
		}
		r := refusal{Refusal: iam.ParseRefusal("", m.Text), At: m.Last, From: "file:" + m.File}
		if r.Refusal.Action == "" {
			r.Refusal.Action = channelAction
			r.Layer = orWord(r.Layer, iam.LayerUnknown)
		}
		return channelFinding(f, r, messagesWork(f, m))
	},
})

func laterChannel(f *facts.Facts, r refusal) bool {
	a, _ := f.Log.Last(facts.SigChannelMGS)
	b, _ := f.Log.Last(facts.SigChannelUp)
	return a.Last.After(r.At) || b.Last.After(r.At)
}

func channelFinding(f *facts.Facts, r refusal, commands bool) Finding {
	fd := denial(f, r, "iam-missing-channel-action")
	switch {
	case commands:
		fd = fd.severity(causes.Warning)
		fd.Status = Warn
		fd.Summary = fmt.Sprintf("%s may not call %s: Run Command works over ec2messages, Session Manager does not", principalName(f, r), r.Refusal.Action)
	default:
		fd.Summary += "; neither Session Manager nor Run Command can reach this node"
		fd = fd.blocking()
	}
	return fd
}
