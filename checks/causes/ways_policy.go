package causes

import "strings"

// Remedies of a refusal, by the layer that AWS names. A statement is added to a document, or
// one role exempted from a Deny, which takes jq; nothing is replaced.
var (
	// FindSCP is for a refusal that does not name the policy.
	FindSCP = operator("Find the policy, from the organization's management account. An SCP or RCP is mostly attached to a parent OU: run the same command for each parent, up to the root; its id is the POLICY_ID below", listSCPs)

	// SCPDenies is for an explicit deny in a service or resource control policy.
	SCPDenies = steps(
		operator("Save the policy, as an administrator of the organization; the next steps exempt {role} in the statements of this service control policy (SCP or RCP) that deny {action}",
			"aws organizations describe-policy --policy-id {policyid} --query Policy.Content --output text | "+inOneLine),
		operator("Add the exception to each statement that denies {action}; AWS CloudShell has jq",
			exemptIn),
		operator("Apply the changed policy", "aws organizations update-policy --policy-id {policyid} --content file://changed.json"),
		restartRefused, verify)

	// SCPLacks is for service control policies of which none allows the action.
	SCPLacks = steps(
		operator("Show the SCPs of the account and its parent, as an administrator of the organization: at every level above the account, a service control policy has to allow {action}. Run the first command for the parent too", listSCPs),
		operator("Save the policy that allows the rest", "aws organizations describe-policy --policy-id {policyid} --query Policy.Content --output text | "+inOneLine),
		operator("Add a statement with the actions to it", addStatement(coreStatement)),
		operator("Apply the changed policy", "aws organizations update-policy --policy-id {policyid} --content file://changed.json"),
		restartRefused, verify)

	// BoundaryLacks is for a permissions boundary that does not allow the action.
	BoundaryLacks = steps(
		saveBoundary,
		operator("Let it allow {action} and the message channel: one statement more", addStatement(coreStatement)),
		applyBoundary,
		or(operator)("Or remove the boundary, if nothing requires one for this role", "aws iam delete-role-permissions-boundary --role-name {role}"),
		restartRefused, verify)

	// BoundaryDenies is for an explicit deny in a permissions boundary.
	BoundaryDenies = steps(
		saveBoundary,
		operator("Exempt {role} in those of its statements that deny {action}; AWS CloudShell has jq", exemptIn),
		applyBoundary,
		restartRefused, verify)

	// RoleDenies is for an explicit deny in a policy of the role.
	RoleDenies = steps(
		operator("Simulate the call: it names the policy of {role} that denies {action}",
			"aws iam simulate-principal-policy --policy-source-arn \"$(aws iam get-role --role-name {role} --query Role.Arn --output text)\" --action-names {action} --query 'EvaluationResults[].MatchedStatements[].[SourcePolicyType,SourcePolicyId]' --output text"),
		operator("Exempt {role} in the Deny statement of its inline policy; AWS CloudShell has jq",
			`aws iam get-role-policy --role-name {role} --policy-name POLICY_NAME --query PolicyDocument --output json | jq -c '`+exempt+`' > changed.json`+"\n"+
				"aws iam put-role-policy --role-name {role} --policy-name POLICY_NAME --policy-document file://changed.json"),
		or(operator)("Or in that of a managed policy, which other roles may have as well; detach it from this role if it is not meant for it", "aws iam detach-role-policy --role-name {role} --policy-arn {policy}"),
		restartRefused, verify)

	// SessionRefuses is for a session policy.
	SessionRefuses = steps(
		operator("The session policy is given by whoever assumes {role} for this host, and has to allow {action} there; see who may assume it", "aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument"),
		restartRefused, verify)

	// EndpointLacks is for the policy of a VPC endpoint that does not allow the action, where
	// its service is not known.
	EndpointLacks = endpointLacks(func(string) bool { return true })

	// EndpointLacksOf is EndpointLacks by the service: no call of another one goes through
	// its endpoint.
	EndpointLacksOf = map[string][]Step{"ssm": endpointLacksOf("ssm"), "ssmmessages": endpointLacksOf("ssmmessages"), "ec2messages": endpointLacksOf("ec2messages"), "": endpointLacksOf("")}

	// EndpointDenies is for an explicit deny in the policy of a VPC endpoint.
	EndpointDenies = steps(
		saveEndpoint,
		operator("Exempt {role} in the Deny of it; the rest stays. AWS CloudShell has jq", exemptIn),
		applyEndpoint,
		restartRefused, verify)

	saveBoundary  = operator("Save the permissions boundary of {role}", boundaryText+"\n"+`aws iam get-policy-version --policy-arn "$arn" --version-id "$version" --query PolicyVersion.Document --output json | `+inOneLine)
	applyBoundary = operator("Apply the changed boundary: a new version of it", boundaryOf+"\n"+`aws iam create-policy-version --policy-arn "$arn" --policy-document file://changed.json --set-as-default`)
	saveEndpoint  = operator("Save the VPC endpoint policy of {service}", endpointText+"\n"+`aws ec2 describe-vpc-endpoints --region {region} --vpc-endpoint-ids "$id" --query 'VpcEndpoints[0].PolicyDocument' --output text | `+inOneLine)
	applyEndpoint = operator("Apply the changed endpoint policy", endpointText+"\n"+`aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id "$id" --policy-document file://changed.json`)
)

// endpointLacksOf is EndpointLacks for a service; "": for one whose endpoint the agent needs
// for the action that was refused alone.
func endpointLacksOf(service string) []Step {
	return endpointLacks(func(action string) bool { return strings.HasPrefix(action, service+":") })
}

func endpointLacks(with func(action string) bool) []Step {
	list := []string{`"{action}"`}
	for _, a := range coreActions {
		if with(a) {
			list = append(list, `"`+a+`"`)
		}
	}
	return steps(
		saveEndpoint,
		operator("Add a statement that allows {action} to this account; the rest stays",
			addStatement(`{"Principal": {"AWS": "arn:{partition}:iam::{account}:root"}, "Effect": "Allow", "Action": [`+strings.Join(list, ", ")+`], "Resource": "*"}`)),
		applyEndpoint,
		restartRefused, verify)
}

// addStatement adds one to the policy that was saved, whether it has a list of them or one.
func addStatement(statement string) string {
	const key = `("Statement"[[:space:]]*:[[:space:]]*)`
	return `sed -E -e 's/` + key + `(\{.*\})([[:space:]]*(,[^{}]*)?\}[[:space:]]*)$/\1[\2]\3/' -e 's/` + key + `\[/\1[` + statement + `, /' policy.json > changed.json`
}

const (
	// exempt takes the role out of each statement that denies the action, by its name, by a
	// pattern or because NotAction does not hold it; it fails where there is none.
	exempt = `def covers: [.] | flatten | any(ascii_downcase | gsub("[?]"; ".") | gsub("[*]"; ".*") | . as $p | "{action}" | ascii_downcase | test("^" + $p + "$")); ` +
		`. as $old | .Statement |= ([.] | flatten | map(if .Effect == "Deny" and ((.Action // [] | covers) or (.NotAction and (.NotAction | covers | not))) then .Condition.ArnNotLike["aws:PrincipalArn"] |= ([. // []] | flatten + ["arn:{partition}:iam::{account}:role/{role}", "arn:{partition}:iam::{account}:role/*/{role}"] | unique) else . end)) | ` +
		`if .Statement == ([$old.Statement] | flatten) then error("no statement here denies {action}") else . end`
	exemptIn     = `jq -c '` + exempt + `' policy.json > changed.json`
	inOneLine    = `tr '\n' ' ' > policy.json`
	boundaryText = boundaryOf + "\n" + `version=$(aws iam get-policy --policy-arn "$arn" --query Policy.DefaultVersionId --output text)`
	boundaryOf   = `arn=$(aws iam get-role --role-name {role} --query Role.PermissionsBoundary.PermissionsBoundaryArn --output text)`
	endpointText = `id=$(aws ec2 describe-vpc-endpoints --region {region} --filters Name=vpc-id,Values={vpc} Name=service-name,Values=com.amazonaws.{region}.{service} --query 'VpcEndpoints[0].VpcEndpointId' --output text)`
)

// coreActions are what AmazonSSMManagedInstanceCore allows.
var coreActions = strings.Fields(`
	ssm:DescribeAssociation ssm:DescribeDocument ssm:GetDeployablePatchSnapshotForInstance ssm:GetDocument ssm:GetManifest ssm:GetParameter ssm:GetParameters ssm:ListAssociations ssm:ListInstanceAssociations ssm:PutComplianceItems ssm:PutConfigurePackageResult ssm:PutInventory ssm:UpdateAssociationStatus ssm:UpdateInstanceAssociationStatus ssm:UpdateInstanceInformation
	ssmmessages:CreateControlChannel ssmmessages:CreateDataChannel ssmmessages:OpenControlChannel ssmmessages:OpenDataChannel
	ec2messages:*`)

// coreStatement allows them where that policy does not count: these policies grant nothing,
// and a node whose documents are refused is of no use.
var coreStatement = `{"Effect": "Allow", "Action": ["{action}", "` + strings.Join(coreActions, `", "`) + `"], "Resource": "*"}`
