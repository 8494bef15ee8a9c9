package causes

// ListSCPs prints id and text of the control policies over the account, from it up to the
// root of the organization, which has no parent.
const ListSCPs = `at={account}; while [ "$at" ]; do for p in $(aws organizations list-policies-for-target --target-id $at --filter {policytype} --query 'Policies[].Id' --output text); do ` +
	`aws organizations describe-policy --policy-id $p --query 'Policy.[PolicySummary.Id,Content]' --output text | tr '\n' ' '; echo; done; ` +
	`[ "${at#r-}" = $at ] && at=$(aws organizations list-parents --child-id $at --query 'Parents[].Id' --output text) || at=; done`

var permissionsCauses = []Cause{
	Cause{
		ID: "account-not-enabled", Group: "permissions", Severity: Critical, Title: "AWS account or Region not enabled",
		Meaning: "AWS refuses the calls of this account, whatever its policies allow: it is suspended, closed or not verified yet, it is not signed up for the service, or the Region is one that it has not enabled.",
		Fix: []Step{
			operator("Ask the administrator of the account {account} to settle what AWS asks of it by mail, such as a payment or a verification, and AWS Support if nothing is asked. The management account of its organization sees its state",
				"aws organizations describe-account --account-id {account} --query Account.Status --output text"),
			asRoot("Once AWS accepts the account again, restart the agent (left alone, it waits up to {failedwait})", "{restart}"),
			verify,
		},
		Docs: []string{"https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html", "https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/billing-get-answers.html"},
	},
	Cause{
		ID: "iam-missing-registration-action", Group: "permissions", Severity: Critical, Title: "role may not register the node",
		Meaning: "No identity policy of the role in use allows ssm:UpdateInstanceInformation, the heartbeat without which a host is not a managed node.",
		Fix: []Step{
			grantCore,
			or(inTerraform)("Or in Terraform", "resource \"aws_iam_role_policy_attachment\" \"ssm_core\" {\n  role       = \"{role}\"\n  policy_arn = \"{corepolicy}\"\n}"),
			restartRefused, verify,
		},
		Docs: []string{docProfile},
	},
	Cause{
		ID: "iam-missing-channel-action", Group: "permissions", Severity: Warning, Title: "role may not open the message channel",
		Meaning: "The node is registered, but its role lacks actions of ssmmessages (sessions, and commands of current agents) or ec2messages (commands of older agents).",
		Fix: []Step{
			operator("Allow the four ssmmessages actions to {role}",
				`aws iam put-role-policy --role-name {role} --policy-name ssm-channel --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssmmessages:CreateControlChannel","ssmmessages:CreateDataChannel","ssmmessages:OpenControlChannel","ssmmessages:OpenDataChannel"],"Resource":"*"}]}'`),
			or(operator)("Or attach the managed policy with all core actions", grantCore.Command),
			restartRefused, verify,
		},
		Docs: []string{docMessageAPI, docProfile},
	},
	Cause{
		ID: "iam-missing-feature-action", Group: "permissions", Severity: Warning, Title: "role lacks an action of a feature",
		Meaning: "The node is managed, but an action that a feature in use needs is not allowed to its role.",
		Fix: []Step{
			onHost("Print the smallest policy for the features in use", "ssm-doctor permissions --minimal"),
			operator("Allow {action} to {role}", `aws iam put-role-policy --role-name {role} --policy-name ssm-feature --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}]}'`),
			verify,
		},
		Docs: []string{docProfile, docDenied},
	},
	Cause{
		ID: "iam-explicit-deny", Group: "permissions", Severity: Critical, Title: "a policy denies the action",
		Meaning: "A service control policy (SCP), resource control policy, permissions boundary, session policy or a Deny statement refuses an action that the node needs. Attaching more policies to the role does not help.",
		Fix: []Step{
			operator("Look at the SCPs over the account, from the organization's management account, and exempt the node roles or the action in the one that denies it: this prints id and text of each, up to the root", ListSCPs),
			operator("See the role's permissions boundary and its policies: either may hold the Deny", "aws iam get-role --role-name {role} --query Role.PermissionsBoundary; aws iam list-attached-role-policies --role-name {role}; aws iam list-role-policies --role-name {role}"),
			operator("Simulate the call: it names the statement of the role or its boundary that denies it, unless it is an SCP", "aws iam simulate-principal-policy --policy-source-arn \"$(aws iam get-role --role-name {role} --query Role.Arn --output text)\" --action-names {action}"),
			restartRefused, verify,
		},
		Ways: [][]Step{SCPDenies, SCPLacks, SCPLacksNode, BoundaryDenies, BoundaryLacks, BoundaryLacksNode, RoleDenies, SessionRefuses},
		Docs: []string{docDenied, docSCP},
	},
	Cause{
		ID: "vpce-policy-deny", Group: "permissions", Severity: Critical, Title: "VPC endpoint policy denies the action",
		Meaning: "The request went through a VPC endpoint whose policy does not allow this principal, action or resource. The policies of the role may be right.",
		Fix:     EndpointLacks,
		Ways:    [][]Step{EndpointDenies},
		Docs:    []string{docEndpointPol},
	},
	Cause{
		ID: "kms-access-denied", Group: "permissions", Severity: Warning, Title: "key cannot be used by the node",
		Meaning: "Sessions (or stored output) are encrypted with a KMS key that the role of this node may not use.",
		Fix: []Step{
			operator("Allow kms:Decrypt on the key to {role}", `aws iam put-role-policy --role-name {role} --policy-name ssm-session-key --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"{resource}"}]}'`),
			operator("Check that the key's own policy lets IAM policies of the account, or this role, use it", "aws kms get-key-policy --region {region} --key-id {resource} --policy-name default --output text"),
			trySession, verify,
		},
		Docs: []string{docSession},
	},
	Cause{
		ID: "policy-deprecated", Group: "permissions", Severity: Warning, Title: "deprecated managed policy in use",
		Meaning: "The role allows what AmazonEC2RoleforSSM allows. That policy gives everything that runs on the host access to every S3 bucket, and AWS has announced its end.",
		Fix: []Step{
			onHost("Check which replacements the features in use need", "ssm-doctor permissions --table; ssm-doctor permissions --minimal"),
			operator("Attach the replacement first", "aws iam attach-role-policy --role-name {role} --policy-arn arn:{partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"),
			onHost("Check again with the new policy in place", "ssm-doctor check"),
			operator("Then detach the old one; AWS may not let you attach it again", "aws iam detach-role-policy --role-name {role} --policy-arn arn:{partition}:iam::aws:policy/service-role/AmazonEC2RoleforSSM"),
			verify,
		},
		Docs: []string{docProfile},
	},
}
