package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestEcsExec(t *testing.T) {
	t.Parallel()
	without := func(f *facts.Facts) {
		neverAccepted(f)
		f.ECS.ManagedAgent, f.ECS.ExecuteCommand = facts.Known(false, "file:/managed-agents/execute-command"), facts.Known(false, "file:/managed-agents/execute-command")
	}
	named := func(saw string) want {
		return want{status: Fail, effect: Blocks, cause: "ecs-exec-not-enabled", confidence: Likely, says: "started without ECS Exec (enableExecuteCommand)", saw: saw}
	}
	table := []row{
		{name: "task", kind: "task", want: want{status: Pass, says: "the execute-command agent is mounted"}},
		{name: "profile", want: want{status: Skip, says: "not an ECS task"}},
		{name: "hybrid", kind: "hybrid", want: want{status: Skip, says: "not an ECS task"}},
		{name: "not mounted", kind: "task", fault: without, want: named("/managed-agents/execute-command: does not exist (file:/managed-agents/execute-command)")},
		{name: "which task", kind: "task", fault: without, want: named("task: arn:aws:ecs:eu-central-1:111122223333:task/demo/0123456789abcdef0123456789abcdef")},
		{name: "the task says so", kind: "task", fault: func(f *facts.Facts) {
			without(f)
			f.ECS.ManagedAgent = facts.Unknown[bool]("permission denied", "")
		}, want: named("enableExecuteCommand of the task: false")},
		{name: "accepted all the same", kind: "task", fault: func(f *facts.Facts) { f.ECS.ManagedAgent = facts.Known(false, "file:/managed-agents/execute-command") },
			want: want{status: Warn, effect: Breaks, cause: "ecs-exec-not-enabled"}},
		{name: "mount unread", kind: "task", fault: func(f *facts.Facts) {
			f.ECS.ManagedAgent, f.ECS.ExecuteCommand = facts.Unknown[bool]("permission denied", ""), facts.Seen[bool]{}
		}, want: want{status: Unknown, says: "managed agent: permission denied"}},
		{name: "task or not", kind: "task", fault: func(f *facts.Facts) { f.ECS = facts.ECS{} }, want: want{status: Unknown, says: "whether this is a task of Amazon ECS: not looked at"}},
	}
	judge(t, EcsExec, table)
	judgeUnread(t, EcsExec, table)
}
