package causes

var _ = add(
	Cause{
		ID: "healthy", Group: "none", Severity: Info, Title: "nothing is wrong",
		Meaning: "The host is a managed node and nothing on it needs repair.",
		Unseen:  "It is no finding: a report says so by its state, with root_cause null.",
		Fix:     []Step{onHost("See the whole report", "ssm-doctor check -o wide")},
		Docs:    []string{docTroubleshoot},
	},
	Cause{
		ID: "client-side-problem", Group: "none", Severity: Info, Title: "the fault is at the caller",
		Meaning: "The node is managed and its channel is open; whoever cannot start a session or send a command uses another Region or endpoint, lacks permissions, or lacks the Session Manager plug-in.",
		Unseen:  "But for a session that a plug-in did not take up, nothing on the node shows what a caller does: this is what remains when the node is healthy and somebody still cannot reach it.",
		Fix: []Step{
			operator("Ask in the node's own Region, and without an endpoint override (AWS_ENDPOINT_URL, --endpoint-url)", "aws ssm describe-instance-information --region {region} --filters Key=InstanceIds,Values={node}"),
			operator("See as whom you call, and that you may: the simulator tells", "aws sts get-caller-identity; aws iam simulate-principal-policy --policy-source-arn YOUR_ARN --action-names ssm:StartSession ssm:SendCommand"),
			operator("See that the Session Manager plug-in is installed", "session-manager-plugin --version"),
		},
		Docs: []string{docSession},
	},
)
