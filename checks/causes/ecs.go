package causes

// taskService asks for the service that started the task, as service:NAME.
const taskService = "service=$(aws ecs describe-tasks --region {region} --cluster {cluster} --tasks {task} --query 'tasks[].group' --output text)"

var ecsCauses = []Cause{
	Cause{
		ID: "ecs-exec-not-enabled", Group: "ecs", Severity: Critical, Title: "task started without ECS Exec",
		Meaning: "The task was started before enableExecuteCommand was switched on. ECS puts its managed agent into a task only when the task starts.",
		Fix: []Step{
			operator("Switch ECS Exec on and redeploy: a new deployment starts new tasks", taskService+"\naws ecs update-service --region {region} --cluster {cluster} --service \"${service#service:}\" --enable-execute-command --force-new-deployment"),
			operator("Check that the new task has it", "aws ecs describe-tasks --region {region} --cluster {cluster} --tasks $(aws ecs list-tasks --region {region} --cluster {cluster} --family {family} --query 'taskArns[]' --output text) --query 'tasks[].[enableExecuteCommand,containers[].managedAgents]'"),
		},
		Docs: []string{docECSExec},
	},
	Cause{
		ID: "ecs-task-role-missing", Group: "ecs", Severity: Critical, Title: "task role lacks the ssmmessages actions",
		Meaning: "ECS Exec opens its channel with the task role (not the execution role), which lacks the ssmmessages actions.",
		Fix: []Step{
			operator("Allow the four ssmmessages actions to the task role {role}",
				`aws iam put-role-policy --role-name {role} --policy-name ecs-exec --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssmmessages:CreateControlChannel","ssmmessages:CreateDataChannel","ssmmessages:OpenControlChannel","ssmmessages:OpenDataChannel"],"Resource":"*"}]}'`),
			operator("Start new tasks", taskService+"\naws ecs update-service --region {region} --cluster {cluster} --service \"${service#service:}\" --force-new-deployment"),
		},
		Docs: []string{docECSExec},
	},
	Cause{
		ID: "ecs-readonly-rootfs", Group: "ecs", Severity: Critical, Title: "container root is read-only",
		Meaning: "The container's root file system is read-only, and the managed agent of ECS Exec has no place to write.",
		Fix: []Step{
			inTerraform("Give the container writable volumes at /var/lib/amazon and /var/log/amazon, or switch readonlyRootFilesystem off in its definition", "readonlyRootFilesystem = false"),
			operator("Start new tasks", taskService+"\naws ecs update-service --region {region} --cluster {cluster} --service \"${service#service:}\" --force-new-deployment"),
		},
		Docs: []string{docECSExec},
	},
}
