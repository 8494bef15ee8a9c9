package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// channelAction is the first call of the message channel, and the one that a
// refusal without a name is about.
const channelAction = "ssmmessages:CreateControlChannel"

// PermissionChannel is permission-channel.
var PermissionChannel = register(Check{
	ID: "permission-channel", Group: "permissions", Title: "The message channel is allowed",
	Station: AtChannel,
	Needs:   []*Check{ProfileVsDhmc},
	Causes:  []string{"iam-missing-channel-action", "iam-explicit-deny", "vpce-policy-deny"},
	Doc: "Commands and sessions reach a node over ssmmessages; agents fall back to ec2messages for commands when it is refused. Opening a channel could displace the agent's own, so it is never tried: " +
		"refusals come from the agent's log.",
	Eval: func(n *node.Node) Finding {
		switch n.Identity.InECS {
		case node.Yes:
			return skip("see ecs-task-role")
		case node.Unknown:
			return unsureOfSigner(n, unknown("whether this is an ECS task is not known"))
		}
		if n.Credentials.Source == "" {
			return unsureOfSigner(n, unknown("what the agent signs with is not known"))
		}
		up := n.Log.Latest(facts.SigChannelMGS, facts.SigChannelUp)
		if entry, r := n.ChannelRefused(); entry.Yes() {
			r.Action = text.Or(r.Action, channelAction)
			if r.ByUser() {
				return unknown("an IAM user was refused %s, not the role of this node: see shared-credentials", r.Action)
			}
			return channelFinding(n, r, n.MessagesWork(entry.Match))
		}
		var ofSessions *node.Refusal
		for _, r := range n.Refusals.Logged {
			switch {
			case !strings.HasPrefix(r.Action, "ssmmessages:") || !r.Denied || r.ByUser():
			case strings.HasSuffix(r.Action, "DataChannel"):
				if ofSessions == nil && n.Age(r.At) < node.RecentWindow {
					ofSessions = &r
				}
			case !up.Last.After(r.At):
				return channelFinding(n, r, node.No)
			}
		}
		if ofSessions != nil { // each session opens one of its own, whatever the control channel does
			return denial(n, *ofSessions, "iam-missing-channel-action").as(Breaks).add("; sessions to this node do not open")
		}
		switch {
		case n.Refusals.Read != node.Yes:
			return unreadRefusals(n)
		case up.Yes() && up.ID == facts.SigChannelMGS:
			return pass("channel over ssmmessages %s", n.Ago(up.Last))
		case up.Yes():
			return pass("channel opened %s", n.Ago(up.Last))
		}
		return unknown("no attempt to open a channel is on record")
	},
})

// unsureOfSigner adds to an unknown that a channel was refused, where it is not known
// whether that was to what the agent signs with now.
func unsureOfSigner(n *node.Node, fd Finding) Finding {
	entry, r := n.ChannelRefused()
	if !entry.Yes() {
		i := slices.IndexFunc(n.Refusals.Logged, func(r node.Refusal) bool {
			return strings.HasPrefix(r.Action, "ssmmessages:") && r.Denied && n.Age(r.At) < node.RecentWindow
		})
		if i < 0 {
			return fd
		}
		r = n.Refusals.Logged[i]
	}
	return fd.add("; the agent was refused %s %s", text.Or(r.Action, channelAction), n.Ago(r.At)).failing(Breaks)
}

// channelFinding is the finding of a refused channel; commands tells whether those
// come over ec2messages instead.
func channelFinding(n *node.Node, r node.Refusal, commands node.Answer) Finding {
	fd := denial(n, r, "iam-missing-channel-action")
	switch commands {
	case node.Yes:
		return fd.say("%s may not call %s: Run Command works over ec2messages, Session Manager does not", principalName(n, r), r.Action).as(Breaks)
	case node.No:
		return fd.add("; neither Session Manager nor Run Command can reach this node")
	}
	return fd.add("; Session Manager does not work, and whether Run Command works over ec2messages was not read").as(Breaks)
}
