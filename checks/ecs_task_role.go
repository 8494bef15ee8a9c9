package checks

import (
	"strings"

	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// EcsTaskRole is ecs-task-role.
var EcsTaskRole = register(Check{
	ID: "ecs-task-role", Group: "ecs", Title: "The task role allows the message channel",
	Station: AtPermissions, Behind: AtAcceptance,
	Needs:  []*Check{AgentStable},
	Causes: []string{"ecs-task-role-missing"},
	Doc:    "ECS Exec needs the four ssmmessages actions on the task role (not on the execution role). Read from the refusals in the agent's log.",
	Eval: func(n *node.Node) Finding {
		if fd, ok := notInTask(n); ok {
			return fd
		}
		if e, r := n.ChannelRefused(); e.Yes() {
			return lacksChannel(n, r, text.Or(r.Action, "ssmmessages:CreateControlChannel")).logged(e)
		}
		for _, r := range n.Refusals.Logged {
			if strings.HasPrefix(r.Action, "ssmmessages:") && r.Denied && !n.OpenedSince(r.At) {
				return lacksChannel(n, r, r.Action).sawAt("agent log", text.Cut(r.Text, 300), r.From, r.At)
			}
		}
		if n.Refusals.Read != node.Yes {
			return unreadRefusals(n)
		}
		if up := n.Channel.Opened; up.Yes() && !n.Channel.Lost.Yes() {
			return pass("channel opened %s", n.Ago(up.Last))
		}
		return unknown("no refusal on record, and no opened channel either")
	},
})

func lacksChannel(n *node.Node, r node.Refusal, action string) Finding {
	fd := stops(n, "ecs-task-role-missing", Likely, "the task role may not call %s: it lacks the ssmmessages actions that ECS Exec needs", action)
	fd.Answered = true
	return fd.with("role", n.RoleOf(r), "action", action)
}
