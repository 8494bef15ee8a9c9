package checks

import "ssm-doctor/checks/facts"

var _ = register(Check{
	ID: "ecs-exec", Group: "ecs", Title: "The task was started with execute-command",
	Causes: []string{"ecs-exec-not-enabled"},
	Doc:    "ECS Exec mounts the agent into a container when its task starts. A task started before enableExecuteCommand was set has none, and stays so until it is replaced.",
	Eval: func(f *facts.Facts) Finding {
		if Kind(f) != KindECS {
			return skip("not an ECS task")
		}
		has, ok := f.ECS.ManagedAgent.Get()
		on, told := f.ECS.ExecuteCommand.Get()
		switch {
		case ok && has:
			return pass("the execute-command agent is mounted")
		case told && !on || ok && !has:
			fd := fail("ecs-exec-not-enabled", Likely, "this task was started without ECS Exec (enableExecuteCommand): no execute-command agent is mounted").
				saw("/managed-agents/execute-command", "does not exist", f.ECS.ManagedAgent.From)
			if t, ok := f.ECS.Task.Get(); ok {
				fd = fd.saw("task", t.TaskARN, f.ECS.Task.From)
			}
			return fd
		}
		return unknown("managed agent: %s", f.ECS.ManagedAgent.Reason())
	},
})
