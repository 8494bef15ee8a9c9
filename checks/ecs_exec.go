package checks

import "ssm-doctor/checks/node"

// EcsExec is ecs-exec.
var EcsExec = register(Check{
	ID: "ecs-exec", Group: "ecs", Title: "The task was started with execute-command",
	Station: AtAgent,
	Causes:  []string{"ecs-exec-not-enabled"},
	Doc:     "ECS Exec mounts the agent into a container when its task starts. A task started before enableExecuteCommand was set has none, and stays so until it is replaced.",
	Eval: func(n *node.Node) Finding {
		if fd, ok := notInTask(n); ok {
			return fd
		}
		ecs := &n.Facts.ECS
		has, looked := ecs.ManagedAgent.Get()
		on, told := ecs.ExecuteCommand.Get()
		fd := stops(n, "ecs-exec-not-enabled", Likely, "this task was started without ECS Exec (enableExecuteCommand): no execute-command agent is mounted")
		switch {
		case has && looked:
			return pass("the execute-command agent is mounted")
		case looked:
			fd = fd.saw("/managed-agents/execute-command", "does not exist", ecs.ManagedAgent.From)
		case told && !on:
			fd = fd.saw("enableExecuteCommand of the task", "false", ecs.ExecuteCommand.From)
		default:
			return unread("managed agent", ecs.ManagedAgent)
		}
		if t, ok := ecs.Task.Get(); ok {
			fd = fd.saw("task", t.TaskARN, ecs.Task.From)
		}
		return fd
	},
})
