package causes

// Remedies of a refusal, by the layer that AWS names. Documents are changed with jq:
// a statement is added, or one role exempted from a Deny; nothing is replaced.
var (
	// FindSCP is for a refusal that does not name the policy.
	FindSCP = operator("Find the policy, from the organization's management account. An SCP or RCP is mostly attached to a parent OU: run the same command for each parent, up to the root; its id is the POLICY_ID below", listSCPs)

	// SCPDenies is for an explicit deny in a service or resource control policy.
	SCPDenies = steps(
		operator("Save the policy, as an administrator of the organization; the next steps exempt {role} in the statements of this service control policy (SCP or RCP) that deny {action}",
			"aws organizations describe-policy --policy-id {policyid} --query Policy.Content --output text > policy.json"),
		operator("Add the exception to each statement that denies {action}",
			`jq -c '`+exempt+`' policy.json > changed.json`),
		operator("Apply the changed policy", "aws organizations update-policy --policy-id {policyid} --content file://changed.json"),
		restartRefused, verify)

	// SCPLacks is for service control policies of which none allows the action.
	SCPLacks = steps(
		operator("Show the SCPs of the account and its parent, as an administrator of the organization: at every level above the account, a service control policy has to allow {action}. Run the first command for the parent too", listSCPs),
		operator("Add the actions to the policy that allows the rest",
			`aws organizations describe-policy --policy-id {policyid} --query Policy.Content --output text | jq -c '.Statement |= ([.] | flatten + [`+coreStatement+`])' > changed.json`),
		operator("Apply the changed policy", "aws organizations update-policy --policy-id {policyid} --content file://changed.json"),
		restartRefused, verify)

	// BoundaryLacks is for a permissions boundary that does not allow the action.
	BoundaryLacks = steps(
		operator("Let the permissions boundary of {role} allow {action} and the message channel: a new version of it, with one statement more",
			boundaryText+"\n"+
				`aws iam get-policy-version --policy-arn "$arn" --version-id "$version" --query PolicyVersion.Document --output json | jq -c '.Statement |= ([.] | flatten + [`+coreStatement+`])' > boundary.json`+"\n"+
				`aws iam create-policy-version --policy-arn "$arn" --policy-document file://boundary.json --set-as-default`),
		or(operator)("Or remove the boundary, if nothing requires one for this role", "aws iam delete-role-permissions-boundary --role-name {role}"),
		restartRefused, verify)

	// BoundaryDenies is for an explicit deny in a permissions boundary.
	BoundaryDenies = steps(
		operator("Look at the statements of the permissions boundary of {role} that deny",
			boundaryText+"\n"+`aws iam get-policy-version --policy-arn "$arn" --version-id "$version" --query PolicyVersion.Document --output json | jq '[.Statement] | flatten[] | select(.Effect == "Deny")'`),
		operator("Exempt {role} in those that deny {action}, in a new version of it",
			boundaryText+"\n"+
				`aws iam get-policy-version --policy-arn "$arn" --version-id "$version" --query PolicyVersion.Document --output json | jq -c '`+exempt+`' > boundary.json`+"\n"+
				`aws iam create-policy-version --policy-arn "$arn" --policy-document file://boundary.json --set-as-default`),
		restartRefused, verify)

	// RoleDenies is for an explicit deny in a policy of the role.
	RoleDenies = steps(
		operator("Simulate the call: it names the policy of {role} that denies {action}",
			"aws iam simulate-principal-policy --policy-source-arn \"$(aws iam get-role --role-name {role} --query Role.Arn --output text)\" --action-names {action} --query 'EvaluationResults[].MatchedStatements[].[SourcePolicyType,SourcePolicyId]' --output text"),
		operator("Exempt {role} in the Deny statement of its inline policy",
			`aws iam get-role-policy --role-name {role} --policy-name POLICY_NAME --query PolicyDocument --output json | jq -c '`+exempt+`' > changed.json`+"\n"+
				"aws iam put-role-policy --role-name {role} --policy-name POLICY_NAME --policy-document file://changed.json"),
		or(operator)("Or in that of a managed policy, which other roles may have as well; detach it from this role if it is not meant for it", "aws iam detach-role-policy --role-name {role} --policy-arn {policy}"),
		restartRefused, verify)

	// SessionRefuses is for a session policy.
	SessionRefuses = steps(
		operator("The session policy is given by whoever assumes {role} for this host, and has to allow {action} there; see who may assume it", "aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument"),
		restartRefused, verify)

	// EndpointLacks is for the policy of a VPC endpoint that does not allow the action.
	EndpointLacks = steps(
		operator("Add a statement to the endpoint policy of {service} that allows it to this account; the rest stays",
			endpointText+"\n"+
				`aws ec2 describe-vpc-endpoints --region {region} --vpc-endpoint-ids "$id" --query 'VpcEndpoints[0].PolicyDocument' --output text | jq -c '.Statement |= ([.] | flatten + [`+coreStatement+` + {"Principal": {"AWS": "arn:{partition}:iam::{account}:root"}}])' > endpoint.json`+"\n"+
				`aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id "$id" --policy-document file://endpoint.json`),
		restartRefused, verify)

	// EndpointDenies is for an explicit deny in the policy of a VPC endpoint.
	EndpointDenies = steps(
		operator("Exempt {role} in the Deny of the endpoint policy of {service}; the rest stays",
			endpointText+"\n"+
				`aws ec2 describe-vpc-endpoints --region {region} --vpc-endpoint-ids "$id" --query 'VpcEndpoints[0].PolicyDocument' --output text | jq -c '`+exempt+`' > endpoint.json`+"\n"+
				`aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id "$id" --policy-document file://endpoint.json`),
		restartRefused, verify)
)

const (
	// coreStatement allows what AmazonSSMManagedInstanceCore does, where that policy does
	// not count: these policies grant nothing, and a node whose documents are refused is
	// of no use.
	coreStatement = `{"Effect": "Allow", "Action": ["{action}", "ssm:DescribeAssociation", "ssm:DescribeDocument", "ssm:GetDeployablePatchSnapshotForInstance", "ssm:GetDocument", "ssm:GetManifest", "ssm:GetParameter", "ssm:GetParameters", "ssm:ListAssociations", "ssm:ListInstanceAssociations", "ssm:PutComplianceItems", "ssm:PutConfigurePackageResult", "ssm:PutInventory", "ssm:UpdateAssociationStatus", "ssm:UpdateInstanceAssociationStatus", "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel", "ec2messages:*"], "Resource": "*"}`
	// exempt takes the role out of each statement that denies the action, by its name, by a
	// pattern or because NotAction does not hold it; it fails where there is none.
	exempt = `def covers: [.] | flatten | any(ascii_downcase | gsub("[?]"; ".") | gsub("[*]"; ".*") | . as $p | "{action}" | ascii_downcase | test("^" + $p + "$")); ` +
		`. as $old | .Statement |= ([.] | flatten | map(if .Effect == "Deny" and ((.Action // [] | covers) or (.NotAction and (.NotAction | covers | not))) then .Condition.ArnNotLike["aws:PrincipalArn"] |= ([. // []] | flatten + ["arn:{partition}:iam::{account}:role/{role}", "arn:{partition}:iam::{account}:role/*/{role}"] | unique) else . end)) | ` +
		`if .Statement == ([$old.Statement] | flatten) then error("no statement here denies {action}") else . end`
	boundaryText = `arn=$(aws iam get-role --role-name {role} --query Role.PermissionsBoundary.PermissionsBoundaryArn --output text)` + "\n" +
		`version=$(aws iam get-policy --policy-arn "$arn" --query Policy.DefaultVersionId --output text)`
	endpointText = `id=$(aws ec2 describe-vpc-endpoints --region {region} --filters Name=vpc-id,Values={vpc} Name=service-name,Values=com.amazonaws.{region}.{service} --query 'VpcEndpoints[0].VpcEndpointId' --output text)`
)
