package causes

var noneCauses = []Cause{
	Cause{
		ID: "healthy", Group: "none", Severity: Info, Title: "nothing is wrong",
		Meaning: "The host is a managed node and nothing on it needs repair.",
		Unseen:  "It is not a finding: a report says so by its state, with root_cause null.",
		Fix:     []Step{onHost("Look at the whole report", "ssm-doctor check -o wide")},
		Docs:    []string{docTroubleshoot},
	},
	Cause{
		ID: "client-side-problem", Group: "none", Severity: Info, Title: "the fault is at the caller",
		Meaning: "The node is managed and its channel is open; whoever cannot start a session or send a command uses another Region or endpoint, lacks permissions, or does not have the Session Manager plug-in. With just-in-time node access callers do not have ssm:StartSession; they ask for access first.",
		Unseen:  "A node shows nothing of what a caller does, except a session that no plug-in took up. This cause remains when the node is healthy and somebody still cannot reach it.",
		Fix: []Step{
			operator("Call the node's own Region, without an endpoint override (AWS_ENDPOINT_URL, --endpoint-url)", "aws ssm describe-instance-information --region {region} --filters Key=InstanceIds,Values={node}"),
			operator("Check which identity you use and whether it may start sessions", "arn=$(aws sts get-caller-identity --query Arn --output text); echo $arn\n"+
				"arn=$(echo $arn | grep -v :assumed-role/ || aws iam get-role --role-name $(echo $arn | cut -d/ -f2) --query Role.Arn --output text)\n"+
				"aws iam simulate-principal-policy --policy-source-arn $arn --action-names ssm:StartSession ssm:SendCommand --query 'EvaluationResults[].[EvalActionName,EvalDecision]' --output text"),
			operator("Check that the Session Manager plug-in is installed", "session-manager-plugin --version"),
		},
		Docs: []string{docSession},
	},
}
