package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

func TestEcsTaskRole(t *testing.T) {
	t.Parallel()
	const message = "User: arn:aws:sts::111122223333:assumed-role/webTaskRole/0a1b2c3d is not authorized to perform: ssmmessages:CreateControlChannel on resource: * because no identity-based policy allows the ssmmessages:CreateControlChannel action"
	refused := func(f *facts.Facts) {
		neverAccepted(f)
		refuse(f, facts.SigChannelToken, time.Minute, "AccessDeniedException", message)
	}
	// other is an answer about another action, in an entry that is not one of the channel's.
	other := func(code, text string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			neverAccepted(f)
			f.Log.Refusals = facts.Known([]facts.Refusal{{Refusal: iam.ParseRefusal(code, text), At: f.CollectedAt.Add(-time.Minute), File: "/var/log/amazon/ssm/errors.log"}}, "file:/var/log/amazon/ssm")
		}
	}
	const data = "User: arn:aws:sts::111122223333:assumed-role/webTaskRole/0a1b2c3d is not authorized to perform: ssmmessages:OpenDataChannel on resource: *"
	named := func(says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: "ecs-task-role-missing", confidence: Likely, says: says, saw: saw, value: value}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "task", kind: "task", want: is(Pass, "channel opened 2 min ago")},
		{name: "profile", want: is(Skip, "not an ECS task")},
		{name: "windows", kind: "windows", want: is(Skip, "not an ECS task")},
		{name: "refused", kind: "task", fault: refused, want: named("the task role may not call ssmmessages:CreateControlChannel: it lacks the ssmmessages actions", "agent log: AccessDeniedException: User: arn:aws:sts", "role=webTaskRole")},
		{name: "the action", kind: "task", fault: refused, want: named("", "", "action=ssmmessages:CreateControlChannel")},
		{name: "refused without a name", kind: "task", fault: func(f *facts.Facts) {
			neverAccepted(f)
			log(f, facts.SigChannelToken, time.Minute, "ERROR CreateControlChannel failed: AccessDeniedException")
		}, want: named("may not call ssmmessages:CreateControlChannel", "CreateControlChannel failed", "role=")},
		{name: "another action", kind: "task", fault: other("AccessDeniedException", data), want: named("may not call ssmmessages:OpenDataChannel", "agent log: "+data+" (file:/var/log/amazon/ssm/errors.log)", "action=ssmmessages:OpenDataChannel")},
		{name: "opened since", kind: "task", fault: func(f *facts.Facts) {
			refused(f)
			log(f, facts.SigChannelUp, 10*time.Second, "INFO Set up control channel successfully")
		}, want: is(Pass, "channel opened 10 s ago")},
		{name: "another action, opened since", kind: "task", fault: func(f *facts.Facts) {
			other("AccessDeniedException", data)(f)
			log(f, facts.SigChannelMGS, 10*time.Second, "INFO SSM Connection channel status is set to ssmmessages")
		}, want: is(Unknown, "no refusal on record, and no opened channel either")},
		{name: "another service", kind: "task", fault: other("AccessDeniedException", "User: arn:aws:sts::111122223333:assumed-role/webTaskRole/0a1b is not authorized to perform: logs:CreateLogStream on resource: *"), want: is(Unknown, "no refusal on record, and no opened channel either")},
		{name: "accepted all the same", kind: "task", fault: func(f *facts.Facts) {
			other("AccessDeniedException", data)(f)
			f.Agent.Processes.Value.Worker = []facts.Process{{PID: 811, Exe: "/managed-agents/execute-command/ssm-agent-worker"}}
			log(f, facts.SigRotation, 2*time.Minute, "INFO Next credential rotation will be in 29.9 minutes")
		}, want: want{status: Warn, effect: Breaks, cause: "ecs-task-role-missing"}},
		{name: "log unread", kind: "task", fault: unreadLogOf, want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "refusals partly read", kind: "task", fault: func(f *facts.Facts) {
			f.Log.Refusals = facts.Partly([]facts.Refusal{}, "errors.log: permission denied", "")
		}, want: is(Unknown, "agent log")},
		{name: "task or not", kind: "task", fault: func(f *facts.Facts) { f.ECS = facts.ECS{} }, want: is(Unknown, "whether this is a task of Amazon ECS")},
	}
	judge(t, EcsTaskRole, table)
	judgeUnread(t, EcsTaskRole, table)
}
