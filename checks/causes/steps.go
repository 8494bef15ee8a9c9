package causes

// Pages of AWS's documentation that several causes point to.
const (
	docTroubleshoot        = "https://docs.aws.amazon.com/systems-manager/latest/userguide/fleet-manager-troubleshooting-managed-nodes.html"
	docAgentLog            = "https://docs.aws.amazon.com/systems-manager/latest/userguide/troubleshooting-ssm-agent.html"
	docAgentStart          = "https://docs.aws.amazon.com/systems-manager/latest/userguide/ssm-agent-status-and-restart.html"
	docAgentInstall        = "https://docs.aws.amazon.com/systems-manager/latest/userguide/manually-install-ssm-agent-linux.html"
	docAgentInstallWindows = "https://docs.aws.amazon.com/systems-manager/latest/userguide/manually-install-ssm-agent-windows.html"
	docAgentUpdate         = "https://docs.aws.amazon.com/systems-manager/latest/userguide/ssm-agent-automatic-updates.html"
	docSupported           = "https://docs.aws.amazon.com/systems-manager/latest/userguide/operating-systems-and-machine-types.html"
	docSignature           = "https://docs.aws.amazon.com/systems-manager/latest/userguide/verify-agent-signature.html"
	docProfile             = "https://docs.aws.amazon.com/systems-manager/latest/userguide/setup-instance-permissions.html"
	docDHMC                = "https://docs.aws.amazon.com/systems-manager/latest/userguide/fleet-manager-default-host-management-configuration.html"
	docHybrid              = "https://docs.aws.amazon.com/systems-manager/latest/userguide/hybrid-activation-managed-nodes.html"
	docHybridRole          = "https://docs.aws.amazon.com/systems-manager/latest/userguide/hybrid-multicloud-service-role.html"
	docProxy               = "https://docs.aws.amazon.com/systems-manager/latest/userguide/configure-proxy-ssm-agent.html"
	docEndpoints           = "https://docs.aws.amazon.com/systems-manager/latest/userguide/setup-create-vpc.html"
	docMessageAPI          = "https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-setting-up-messageAPIs.html"
	docIMDS                = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-options.html"
	docTime                = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/set-time.html"
	docDenied              = "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"
	docEndpointPol         = "https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html"
	docSCP                 = "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html"
	docSession             = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-troubleshooting.html"
	docECSExec             = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html"
)

// asRoot is a step on this host that needs root, or Administrator on Windows.
func asRoot(text, command string) Step {
	return Step{Text: text, Command: command, Where: OnHost, Root: true}
}

// onHost is a step on this host that any user may take.
func onHost(text, command string) Step { return Step{Text: text, Command: command, Where: OnHost} }

// operator is a step with the AWS CLI, by somebody who may.
func operator(text, command string) Step {
	return Step{Text: text, Command: command, Where: OperatorCLI}
}

// inTerraform is a step in infrastructure code.
func inTerraform(text, code string) Step { return Step{Text: text, Command: code, Where: Terraform} }

// or makes a step another way instead of the step before it; its text begins with Or.
func or(step func(text, command string) Step) func(text, command string) Step {
	return func(text, command string) Step {
		s := step(text, command)
		s.Alternative = true
		return s
	}
}

// system is what steps for some systems only are made by: linux.asRoot. Like the steps for
// all of them, they are one expression each: then the compiler lays the whole catalogue
// out, and nothing of it is made at the start of the program.
type system string

const (
	linux   system = "linux"
	mac     system = "darwin"
	windows system = "windows"
	unix    system = "linux darwin"
)

func (on system) asRoot(text, command string) Step {
	return Step{Text: text, Command: command, Where: OnHost, Root: true, GOOS: string(on)}
}

func (on system) onHost(text, command string) Step {
	return Step{Text: text, Command: command, Where: OnHost, GOOS: string(on)}
}

func (on system) operator(text, command string) Step {
	return Step{Text: text, Command: command, Where: OperatorCLI, GOOS: string(on)}
}

// on makes a step one for some systems only.
func on(systems system, s Step) Step { s.GOOS = string(systems); return s }

// Steps that end many remedies. The waits are those of the agent's credential
// refresher: 25-30 min after a refusal, 5-60 min after other errors, unless release
// or configuration say otherwise.
var (
	verify         = onHost("Check again", "ssm-doctor check --wait 5m")
	restart        = asRoot("Restart the agent, so that it tries again now", "{restart}")
	start          = asRoot("Start the agent again", "{start}") // after a stop
	restartRefused = asRoot("Restart the agent (left alone, it waits up to {refusedwait})", "{restart}")
	restartFailed  = asRoot("Restart the agent (left alone, it waits up to {failedwait})", "{restart}")
)

// Restarts reports whether a step restarts the agent, and does nothing else.
func (s Step) Restarts() bool { return s.Command == "{restart}" }

// AttachProfile gives an EC2 instance credentials by a role of its own.
var AttachProfile = []Step{
	operator("Attach an instance profile with AmazonSSMManagedInstanceCore",
		"aws ec2 associate-iam-instance-profile --region {region} --instance-id {instance} --iam-instance-profile Name=PROFILE_NAME"),
	makeProfile, restartFailed, verify,
}

const serviceEvents = "aws health describe-events --region us-east-1 --filter services=SSM,regions={region},eventStatusCodes=open"

// ServiceEvents asks whether Systems Manager itself is in trouble.
var ServiceEvents = operator("See whether the service has an open event in this Region; without one, too many calls of this account are the likely reason", serviceEvents)

// ExplainCode looks up an answer of AWS that no cause is named for.
var ExplainCode = onHost("See what this answer means, and which causes lead to it", "ssm-doctor explain {code}")

// SeeInstance is for an instance that Systems Manager does not know.
var SeeInstance = operator("See whether the instance runs in the account and Region that the agent signs for; it prints nothing, or an error, where it does not",
	"aws ec2 describe-instances --region {region} --instance-ids {instance} --query 'Reservations[].[OwnerId,Instances[0].State.Name]' --output text")

// EnableRegion is for a Region that an account does not have from the start.
var EnableRegion = operator("If the first prints DISABLED, the account may not use the Region {region}: enable it, which takes from minutes to hours",
	"aws account get-region-opt-status --region us-east-1 --region-name {region} --query RegionOptStatus --output text\naws account enable-region --region us-east-1 --region-name {region}")

// DropIn writes lines, as printf takes them, into a drop-in of the agent's unit.
func DropIn(lines, name string) string {
	const dir = "/etc/systemd/system/{unit}.d"
	return "mkdir -p " + dir + "\nprintf '" + lines + "' > " + dir + "/" + name
}

// makeProfile is for an account that has no instance profile to attach.
var makeProfile = or(operator)("Or make a role and a profile of the name ssm-managed-node, where the account has none, and attach it; EC2 knows a new profile after some seconds, so repeat the last command if it is refused",
	"aws iam create-role --role-name ssm-managed-node --assume-role-policy-document '"+trustEC2+"'\n"+
		"aws iam attach-role-policy --role-name ssm-managed-node --policy-arn arn:{partition}:iam::aws:policy/AmazonSSMManagedInstanceCore\n"+
		"aws iam create-instance-profile --instance-profile-name ssm-managed-node\n"+
		"aws iam add-role-to-instance-profile --instance-profile-name ssm-managed-node --role-name ssm-managed-node\n"+
		"aws ec2 associate-iam-instance-profile --region {region} --instance-id {instance} --iam-instance-profile Name=ssm-managed-node")

// MakeRoleAgain makes the role of an instance profile, where it is gone.
var MakeRoleAgain = operator("If the role {role} was deleted and is not there again, make it, with what a managed node needs",
	"aws iam create-role --role-name {role} --assume-role-policy-document '"+trustEC2+"'\n"+
		"aws iam attach-role-policy --role-name {role} --policy-arn arn:{partition}:iam::aws:policy/AmazonSSMManagedInstanceCore\n"+
		"aws iam add-role-to-instance-profile --instance-profile-name {profile} --role-name {role}")

// FillProfile puts a role into an instance profile that holds none.
var FillProfile = []Step{
	operator("If the instance profile {profile} holds no role, for which this prints None, put one into it that has AmazonSSMManagedInstanceCore",
		"aws iam get-instance-profile --instance-profile-name {profile} --query 'InstanceProfile.Roles[0].RoleName' --output text\naws iam add-role-to-instance-profile --instance-profile-name {profile} --role-name PROFILE_ROLE"),
}

// AskRoleAgain is for a metadata service that gives no credentials of a role that it names.
// The agent asks it again by itself.
var AskRoleAgain = []Step{
	onHost("Ask the metadata service again: an error of its own passes, and the agent asks again by itself within {failedwait}", "ssm-doctor check --wait 5m"),
	operator("If it stays so, attach the instance profile again: EC2 then gives out new credentials", associateAgain),
}

// AttachProfileAgain makes EC2 give out new credentials of the profile that is attached.
var AttachProfileAgain = []Step{
	operator("Attach the instance profile again: EC2 then gives out new credentials", associateAgain),
	restartFailed, verify,
}

const associateAgain = "association=$(aws ec2 describe-iam-instance-profile-associations --region {region} --filters Name=instance-id,Values={instance} --query 'IamInstanceProfileAssociations[0].AssociationId' --output text)\n" +
	"aws ec2 replace-iam-instance-profile-association --region {region} --association-id \"$association\" --iam-instance-profile Name={profile}"

// Restart ends a remedy after which nothing has to be loaded.
var Restart = []Step{restartFailed, verify}

// RestartRegistered makes an agent use the registration that was made while it ran.
var RestartRegistered = []Step{asRoot("Restart the agent: it uses the new registration only from its start on", "{restart}"), verify}

// grantCore attaches the managed policy that the identity in use needs:
// AmazonSSMManagedInstanceCore, or the default policy on a Default Host
// Management role, so that a remedy does not move a node from the one to the other.
var grantCore = operator("Attach the policy with the core actions to the role {role}",
	"aws iam attach-role-policy --role-name {role} --policy-arn {corepolicy}")

// dhmcOn turns Default Host Management on.
var dhmcOn = or(operator)("Or turn on Default Host Management for the account and Region; every instance there without a profile becomes a managed node. Its role must exist: ssm-doctor explain dhmc-role-broken has the commands that make it",
	"aws ssm update-service-setting --region {region} --setting-id {dhmcsetting} --setting-value service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole")

// stopAgent keeps the agent from writing its state while that is repaired.
var stopAgent = asRoot("Stop the agent, so that it does not change its state", "{stop}")

// registerAgain replaces a hybrid registration by a new one.
var registerAgain = []Step{
	operator("Create a hybrid activation; it prints its id and code",
		"aws ssm create-activation --region {region} --iam-role {servicerole} --registration-limit 1"),
	stopAgent,
	asRoot("Clear the old registration", "{agent} -register -clear"),
	asRoot("Register with the new activation (its id and code)", "{agent} -register -region {region} -id ACTIVATION_ID -code ACTIVATION_CODE"),
	start, verify,
}

// replaceVault replaces a registration whose vault is damaged: the agent reads its
// manifest before it clears or writes anything.
// Source: amazon-ssm-agent 3.3, agent/managedInstances/vault/fsvault.
var replaceVault = []Step{registerAgain[0], MoveVault[0], MoveVault[1], registerAgain[3], restart, verify}

// MoveVault takes a vault away that the agent cannot use.
var MoveVault = []Step{
	unix.asRoot("Move the damaged vault away; the agent makes a new one", "mv {data}/Vault {data}/Vault.damaged"),
	windows.asRoot("Move the damaged vault away; the agent makes a new one", "Move-Item (Join-Path {data} Vault) (Join-Path {data} Vault.damaged)"),
}

// Steps of a lack of memory, of which a finding leaves out what its host does not need.
var (
	LiftMemoryLimit = linux.asRoot("Take the limit off the agent's service: its own memory limit (MemoryMax) was met, not that of the host", DropIn(`[Service]\nMemoryMax=infinity\nMemoryLimit=infinity\n`, "zz-memory-limit.conf")+"\nsystemctl daemon-reload")
	AddSwap         = linux.asRoot("Give the host more memory: a larger instance type, or swap now", "dd if=/dev/zero of=/swapfile bs=1M count=1024 && chmod 600 /swapfile && mkswap /swapfile && swapon /swapfile && echo '/swapfile none swap sw 0 0' >>/etc/fstab")
	ProtectFromOOM  = linux.asRoot("Protect the agent from the kernel's out-of-memory killer, and keep systemd from stopping it when one of its commands is killed; agents from 3.3.4364 on have this in their unit",
		DropIn(`[Service]\nOOMScoreAdjust=-900\nOOMPolicy=continue\n`, "zz-memory.conf")+"\nsystemctl daemon-reload")
)

// Steps that make a service start at boot, without starting it now.
var (
	EnableAtBoot  = asRoot("Let the service start at boot; it runs now and need not be restarted", "{enableonly}")
	EnableStatic  = linux.asRoot("Let something start the service at boot: its unit has no [Install] section, so that it cannot be enabled", "systemctl add-wants multi-user.target {unit}")
	RepairAgent   = asRoot("Install the agent's programs again; registration and configuration stay", "{repair}")
	ConfigureDpkg = linux.asRoot("Let dpkg end what it began", "dpkg --configure -a")
)

// RunAsRoot takes back a User= of the agent's service, wherever it stands; it needs systemctl
// daemon-reload and a start.
var RunAsRoot = linux.asRoot("Let the service run as root: this drop-in is read last and overrides the other files", DropIn(`[Service]\nUser=root\n`, "zz-root.conf"))

// Again is the look that ends a remedy.
var Again = verify

// ImageAgain runs the gate for machine images once more.
var ImageAgain = onHost("Check the image again", "{imagecheck}")

// RunAsSystem gives the agent's service on Windows back its account.
var RunAsSystem = windows.asRoot("Let the service run as the local system account", "sc.exe config AmazonSSMAgent obj= LocalSystem")

// OwnAgain gives what an access list of Windows keeps from the agent back to it: an entry
// that denies something wins over one that allows it, and only who owns a thing, or may take
// it, changes its list.
var OwnAgain = windows.asRoot("Let Administrators own the files that the agent cannot use, remove their deny entries, and give SYSTEM and Administrators full control",
	"if (Test-Path {path} -PathType Container) { takeown.exe /F {path} /R /A } else { takeown.exe /F {path} /A }; icacls.exe {path} /remove:d '*S-1-5-18' '*S-1-5-32-544' '*S-1-1-0' '*S-1-5-11' /T; icacls.exe {path} /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' /T")
