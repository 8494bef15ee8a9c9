package causes

const trustEC2 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// trustDHMC is the trust policy of the Default Host Management role, which has no condition.
const trustDHMC = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
const trustSSM = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"{account}"}}}]}`

var credentialsCauses = []Cause{
	Cause{
		ID: "no-credential-source", Group: "credentials", Severity: Critical, Title: "no source of credentials",
		Meaning: "The agent has nothing to sign with: no usable instance profile is attached, and Default Host Management Configuration is not on for this account and Region.",
		Fix: []Step{
			AttachProfile[0], makeProfile,
			or(inTerraform)("Or attach the profile in Terraform", "resource \"aws_iam_role_policy_attachment\" \"ssm_core\" {\n  role       = aws_iam_role.node.name\n  policy_arn = \"arn:{partition}:iam::aws:policy/AmazonSSMManagedInstanceCore\"\n}\n# and on aws_instance: iam_instance_profile = aws_iam_instance_profile.node.name"),
			dhmcOn,
			restartRefused, verify,
		},
		Docs: []string{docProfile, docDHMC},
	},
	Cause{
		ID: "instance-profile-trust-broken", Group: "credentials", Severity: Critical, Title: "EC2 may not assume the role",
		Meaning: "An instance profile is attached, but it gives no credentials that are valid: its role's trust policy does not allow ec2.amazonaws.com, the role was deleted, or EC2 does not renew them.",
		Fix: []Step{
			operator("Look at the role's trust policy, and whether the role exists", "aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument"),
			operator("Let ec2.amazonaws.com assume it: set this trust policy (add other principals it needs)", "aws iam update-assume-role-policy --role-name {role} --policy-document '"+trustEC2+"'"),
			operator("If the role was deleted and created again, attach the profile again: the old association still points to the deleted role", associateAgain),
			restartFailed, verify,
		},
		Docs: []string{docProfile, docTroubleshoot},
	},
	Cause{
		ID: "profile-shadows-dhmc", Group: "credentials", Severity: Critical, Title: "instance profile hides Default Host Management",
		Meaning: "The attached role may call ssm:UpdateInstanceInformation, so the agent takes it and never tries Default Host Management; but the role lacks the rest of what a managed node needs.",
		Fix: []Step{
			operator("Give the role {role} what it lacks: attach AmazonSSMManagedInstanceCore", "aws iam attach-role-policy --role-name {role} --policy-arn arn:{partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"),
			or(operator)("Or use Default Host Management: remove the policy that grants ssm:UpdateInstanceInformation to {role}; the first two list those that are attached and those in the role itself, which delete-role-policy removes",
				"aws iam list-attached-role-policies --role-name {role}\naws iam list-role-policies --role-name {role}\naws iam detach-role-policy --role-name {role} --policy-arn POLICY_ARN"),
			restartFailed, verify,
		},
		Docs: []string{docDHMC},
	},
	Cause{
		ID: "dhmc-shadows-profile", Group: "credentials", Severity: Warning, Title: "Default Host Management used instead of the profile",
		Meaning: "The node is managed with the role of Default Host Management. What Systems Manager runs there does not have the permissions of the attached instance profile.",
		Fix: []Step{
			operator("If the profile's role is meant to be used, attach AmazonSSMManagedInstanceCore to {role}; the agent uses it within {refusedwait}", "aws iam attach-role-policy --role-name {role} --policy-arn arn:{partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"),
			operator("If Default Host Management is meant to be used, grant what is missing to its role; every instance of the account and Region gets it", "aws ssm get-service-setting --region {region} --setting-id {dhmcsetting} --query ServiceSetting.SettingValue"),
			restart, verify,
		},
		Docs: []string{docDHMC},
	},
	Cause{
		ID: "dhmc-role-broken", Group: "credentials", Severity: Critical, Title: "Default Host Management role not usable",
		Meaning: "Default Host Management is on, but its role is missing, does not trust ssm.amazonaws.com, or lacks the permissions of a managed node.",
		Fix: []Step{
			operator("Check which role is set", "aws ssm get-service-setting --region {region} --setting-id {dhmcsetting} --query ServiceSetting.SettingValue"),
			operator("Check that the role exists and trusts ssm.amazonaws.com", "aws iam get-role --role-name AWSSystemsManagerDefaultEC2InstanceManagementRole --query Role.AssumeRolePolicyDocument"),
			operator("If it is missing, create it", "aws iam create-role --path /service-role/ --role-name AWSSystemsManagerDefaultEC2InstanceManagementRole --assume-role-policy-document '"+trustDHMC+"'"),
			or(operator)("Or set the trust policy, if the role is there and does not trust ssm.amazonaws.com", "aws iam update-assume-role-policy --role-name AWSSystemsManagerDefaultEC2InstanceManagementRole --policy-document '"+trustDHMC+"'"),
			operator("Attach its default policy", "aws iam attach-role-policy --role-name AWSSystemsManagerDefaultEC2InstanceManagementRole --policy-arn arn:{partition}:iam::aws:policy/AmazonSSMManagedEC2InstanceDefaultPolicy"),
			restartRefused, verify,
		},
		Docs: []string{docDHMC},
	},
	Cause{
		ID: "shared-credentials-shadow", Group: "credentials", Severity: Warning, Title: "credentials file takes the role's place",
		Meaning: "The shared credentials file of root (SYSTEM on Windows) holds a default profile. Programs that the agent starts use those keys instead of the role of this node.",
		Fix: []Step{
			unix.asRoot("Look at the profile names in {path}", "grep -n '^\\[' {path}"),
			unix.asRoot("If nobody needs them, move the file away", "mv {path} {path}.disabled"),
			or(unix.asRoot)("Or rename the profile from default to another name, and let its users name it", "sed -i.bak 's/^\\[default\\]/[named]/' {path}"),
			windows.asRoot("Look at the profile names in {path}", `Select-String -Path {path} -Pattern '^\['`),
			windows.asRoot("If nobody needs them, move the file away", "Rename-Item {path} credentials.disabled"),
			or(windows.asRoot)("Or rename the profile from default to another name, and let its users name it", `(Get-Content {path}) -replace '^\[default\]','[named]' | Set-Content {path}`),
			verify,
		},
		Docs: []string{docProfile},
	},
	Cause{
		ID: "credentials-stale", Group: "credentials", Severity: Critical, Title: "agent holds credentials that no longer work",
		Meaning: "The credentials that the agent holds have expired, are refused by AWS or belong to a profile that is gone, or the agent stopped asking for any. What it would get now was not refused. The agent renews them only halfway to their expiry; a restart does so at once.",
		Fix: []Step{
			asRoot("Restart the agent: it fetches fresh credentials at start", "{restart}"),
			unix.asRoot("If it happens again, see what the renewal says", "grep -iE 'credential|refresh' {log}/amazon-ssm-agent.log | tail -20"),
			windows.asRoot("If it happens again, see what the renewal says", "Select-String -Path (Join-Path {log} amazon-ssm-agent.log) -Pattern 'credential|refresh' | Select-Object -Last 20"),
			verify,
		},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "credentials-file-damaged", Group: "credentials", Severity: Critical, Title: "credentials file of the agent damaged",
		Meaning: "A file in which the agent keeps its credentials, or its record of them, is only half written, as after a power loss. The agent does not renew its credentials with such a file.",
		Fix: []Step{
			stopAgent,
			unix.asRoot("Move the file away; the agent writes a new one", "mv {path} {path}.damaged"),
			windows.asRoot("Move the file away; the agent writes a new one", "Move-Item {path} {runtime}.damaged"),
			start, verify,
		},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "hybrid-role-broken", Group: "credentials", Severity: Critical, Title: "service role of the hybrid node not usable",
		Meaning: "The service role that the hybrid activation named was deleted, does not trust ssm.amazonaws.com, or lacks the permissions of a managed node.",
		Fix: []Step{
			operator("Look at the trust policy of the service role", "aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument"),
			operator("Let ssm.amazonaws.com assume it: set this trust policy", "aws iam update-assume-role-policy --role-name {role} --policy-document '"+trustSSM+"'"),
			or(operator)("Or give the node another role that has AmazonSSMManagedInstanceCore, if this one is gone", "aws ssm update-managed-instance-role --region {region} --instance-id {node} --iam-role OTHER_ROLE_NAME"),
			restartRefused, verify,
		},
		Docs: []string{docHybridRole},
	},
}
