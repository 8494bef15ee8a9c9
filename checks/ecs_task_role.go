package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

var _ = register(Check{
	ID: "ecs-task-role", Group: "ecs", Title: "The task role allows the message channel",
	Causes: []string{"ecs-task-role-missing"},
	Needs:  []string{"ecs-exec", "agent-stable", "network-egress"},
	Doc:    "ECS Exec needs the four ssmmessages actions on the task role (not on the execution role). Read from the refusals in the agent's log.",
	Eval: func(f *facts.Facts) Finding {
		if Kind(f) != KindECS {
			return skip("not an ECS task")
		}
		if m, ok := channelRefusal(f); ok {
			r := refusal{Refusal: iam.ParseRefusal("", m.Text)}
			return fail("ecs-task-role-missing", Likely, "the task role may not call %s: it lacks the ssmmessages actions that ECS Exec needs", channelAction).
				logged(m).with("role", roleOf(f, r), "action", channelAction)
		}
		for _, r := range loggedRefusals(f) {
			if strings.HasPrefix(r.Refusal.Action, "ssmmessages:") && !laterChannel(f, r) {
				return fail("ecs-task-role-missing", Likely, "the task role may not call %s: it lacks the ssmmessages actions that ECS Exec needs", r.Refusal.Action).
					sawAt("agent log", cut(r.Text, 300), r.From, r.At).with("role", roleOf(f, r), "action", r.Refusal.Action)
			}
		}
		return pass("no refusal on record")
	},
})
