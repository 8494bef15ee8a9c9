package causes

// StaleBus removes the sockets of a message bus that nobody serves any more.
var StaleBus = linux.asRoot("Remove the stale socket directory of the message bus, whose address is in use; in a container, redeploy it with its own {data}", "rm -rf {data}/ipc")

// NewTask is for the agent of ECS Exec, whose state ends with its task.
var NewTask = []Step{
	operator("Redeploy: each new task begins with an empty {data}, unless a volume is mounted there, which must not be shared by tasks", taskService+"\naws ecs update-service --region {region} --cluster {cluster} --service \"${service#service:}\" --force-new-deployment"),
}

var agentCauses = []Cause{
	Cause{
		ID: "agent-not-installed", Group: "agent", Severity: Critical, Title: "SSM Agent not installed",
		Meaning: "No executable, package or service of the SSM Agent is on this host. Without it a host cannot be a managed node.",
		Fix: []Step{
			asRoot("Install the agent", "{install}"),
			asRoot("Start it now and at every boot", "{enable}"),
			verify,
		},
		Image: []Step{
			asRoot("Install the agent in the image", "{install}"),
			linux.asRoot("Let it start at boot, but not now: it would write its state into the image", "{chroot}systemctl enable {unit}"),
			ImageAgain,
		},
		Docs: []string{docAgentInstall, docAgentInstallWindows},
	},
	Cause{
		ID: "agent-service-stopped", Group: "agent", Severity: Critical, Title: "agent service stopped or disabled",
		Meaning: "The agent is installed, but its service is disabled, masked, stopped, or kept from starting again. A service that runs but is disabled does not start at the next boot.",
		Fix: []Step{
			asRoot("Enable the service and start it", "{enable}"),
			asRoot("If it stops again, read its log", "{journal}"),
			verify,
		},
		Image: []Step{
			windows.asRoot("Let the service start at boot", "Set-Service AmazonSSMAgent -StartupType Automatic"),
			mac.asRoot("Let the service start at boot", "launchctl enable system/com.amazon.aws.ssm"),
			linux.asRoot("Let the service start at boot, but not now: it would write its state into the image", "{chroot}systemctl unmask {unit}\n{chroot}systemctl enable {unit}"),
			ImageAgain,
		},
		Docs: []string{docAgentStart},
	},
	Cause{
		ID: "agent-crash-loop", Group: "agent", Severity: Critical, Title: "agent keeps exiting",
		Meaning: "The agent keeps exiting: it is started again and again, or it exited and stays down.",
		Fix: []Step{
			asRoot("Read what it logs when it exits", "{journal}"),
			restart,
			asRoot("If it still exits, install the agent again over the present one; its registration stays", "{reinstall}"),
			verify,
		},
		Ways: [][]Step{NewTask},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "out-of-memory", Group: "agent", Severity: Critical, Title: "agent killed for lack of memory",
		Meaning: "The kernel killed the agent or a process of its service because memory ran out, on the host or within a limit of the service.",
		Fix: []Step{
			linux.onHost("Check what takes the memory", "free -m; ps -eo rss,pid,args --sort=-rss | head"),
			AddSwap,
			ProtectFromOOM,
			windows.onHost("Check what takes the memory", "Get-Process | Sort-Object WorkingSet64 -Descending | Select-Object -First 10"),
			windows.asRoot("Give the host more memory: a larger instance type, or let Windows size its paging file", "Set-CimInstance -Query 'Select * from Win32_ComputerSystem' -Property @{AutomaticManagedPagefile=$true}"),
			mac.onHost("Check what takes the memory, and give the host more: a larger instance type", "ps -axo rss,pid,args -m | head"),
			asRoot("Start the agent", "{start}"),
			verify,
		},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "os-unsupported", Group: "agent", Severity: Critical, Title: "no SSM Agent for this operating system",
		Meaning: "AWS builds and supports the SSM Agent only for the systems on its list, and this host runs another.",
		Fix: []Step{
			operator("Run the workload on an operating system that AWS supports; these images of Amazon Linux include the agent",
				"aws ssm get-parameters-by-path --region {region} --path /aws/service/ami-amazon-linux-latest --query 'Parameters[].Name' --output text"),
			or(linux.onHost)("Or build the agent from its public source, which AWS does not support here: it needs git, make and Go", "git clone https://github.com/aws/amazon-ssm-agent && cd amazon-ssm-agent && make build-linux"),
			onHost("Once an agent runs, check again", verify.Command),
		},
		Docs: []string{docSupported},
	},
	Cause{
		ID: "agent-version-too-old", Group: "agent", Severity: Critical, Title: "agent too old",
		Meaning: "The installed agent lacks what this host depends on: Default Host Management needs 3.2.582.0, Session Manager 2.3.68.0.",
		Fix: []Step{
			asRoot("Update the agent to {version} or later", "{reinstall}"),
			restart, verify,
			operator("Let State Manager update it every two weeks",
				"aws ssm create-association --region {region} --name AWS-UpdateSSMAgent --targets Key=InstanceIds,Values={node} --schedule-expression 'rate(14 days)'"),
		},
		Docs: []string{docAgentUpdate, docDHMC},
	},
	Cause{
		ID: "agent-version-regression", Group: "agent", Severity: Critical, Title: "a release of the agent fails on this host",
		Meaning: "The agent has failed since it was updated. The release before worked here.",
		Fix: []Step{
			asRoot("Install the newest release", "{reinstall}"),
			or(linux.asRoot)("Or go back to the release that worked until a fix is out", "{downgrade} https://s3.{region}.{domain}/amazon-ssm-{region}/{version}/linux_{arch}/amazon-ssm-agent.rpm"),
			or(windows.asRoot)("Or go back to the earlier release that worked until a fix is out; the registration stays", "[Net.ServicePointManager]::SecurityProtocol = 'Tls12'; Invoke-WebRequest https://s3.{region}.{domain}/amazon-ssm-{region}/{version}/windows_amd64/AmazonSSMAgentSetup.exe -OutFile $env:TEMP\\ssm.exe; Start-Process $env:TEMP\\ssm.exe -ArgumentList '/uninstall','/quiet' -Wait; Start-Process $env:TEMP\\ssm.exe -ArgumentList '/S' -Wait"),
			restart, verify,
		},
		Docs: []string{docAgentUpdate},
	},
	Cause{
		ID: "agent-packaging-conflict", Group: "agent", Severity: Critical, Title: "two installations of the agent",
		Meaning: "The agent was installed in two ways (snap and deb, package and copied file), or a service starts another binary than the package's. Two cores then share one state directory and take each other's identity and channel.",
		Fix: []Step{
			linux.onHost("Check what is installed", "snap list amazon-ssm-agent; dpkg -l amazon-ssm-agent; rpm -q amazon-ssm-agent; systemctl list-units '*amazon-ssm-agent*' --all"),
			linux.asRoot("Remove the one you do not want: keep the snap", "apt-get purge -y amazon-ssm-agent"),
			or(linux.asRoot)("Or keep the deb", "snap remove amazon-ssm-agent"),
			windows.onHost("Check which executable the service starts", "sc.exe qc AmazonSSMAgent"),
			windows.asRoot("Install the agent again over the present one; its registration stays", "{reinstall}"),
			mac.onHost("Check which executable the service starts", "launchctl print system/com.amazon.aws.ssm | grep program"),
			mac.asRoot("Install the agent again over the present one; its registration stays", "{reinstall}"),
			restart, verify,
		},
		Image: []Step{
			linux.asRoot("Remove the one you do not want from the image: keep the snap", "{chroot}apt-get purge -y amazon-ssm-agent"),
			or(linux.asRoot)("Or keep the package and build the image without the snap; a mounted image cannot lose one. See what is in it", "ls {root}/snap {root}/var/lib/snapd/snaps"),
			windows.asRoot("Install the agent again over the present one", "{reinstall}"),
			mac.asRoot("Install the agent again over the present one", "{reinstall}"),
			ImageAgain,
		},
		Docs: []string{docAgentInstall, docAgentInstallWindows},
	},
	Cause{
		ID: "agent-exec-blocked", Group: "agent", Severity: Critical, Title: "execution of the agent is blocked",
		Meaning: "A noexec mount, SELinux, AppArmor, fapolicyd, a file mode or a setting of its unit keeps the agent, its workers or its scripts from being executed, or from the network.",
		Fix: []Step{
			linux.asRoot("Restore the SELinux labels that the policy sets", "restorecon -Rv {agent} {data}"),
			linux.asRoot("Check what is still denied; a local policy module can be made from it", "ausearch -m AVC,USER_AVC -ts recent"),
			linux.asRoot("Where the mount {mount} is noexec, allow execution there or move the agent's directory", "mount -o remount,exec {mount}"),
			mac.onHost("Check whether the file may be executed", "ls -le {agent}"),
			restart, verify,
		},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "agent-config-invalid", Group: "agent", Severity: Critical, Title: "agent configuration wrong",
		Meaning: "amazon-ssm-agent.json cannot be parsed, it overrides an endpoint or the Region with a value that is wrong, or it leaves out the identity that this host has. The agent then stops, or uses an endpoint that does not exist.",
		Fix: []Step{
			unix.onHost("Find the error in {config} with a JSON parser", "python3 -m json.tool {config}"),
			unix.asRoot("Correct amazon-ssm-agent.json, or move it aside so that the agent uses its defaults", "mv {config} {config}.wrong"),
			windows.onHost("Find the error in {config} with a JSON parser", "Get-Content {config} -Raw | ConvertFrom-Json"),
			windows.asRoot("Correct amazon-ssm-agent.json, or move it aside so that the agent uses its defaults", "Rename-Item {config} amazon-ssm-agent.json.wrong"),
			restart, verify,
		},
		Image: []Step{
			unix.onHost("Find the error in {root}{config} with a JSON parser", "python3 -m json.tool {root}{config}"),
			unix.asRoot("Correct the file in the image, or move it aside so that the agent uses its defaults", "mv {root}{config} {root}{config}.wrong"),
			windows.asRoot("Correct the file in the image, or move it aside so that the agent uses its defaults", "Rename-Item {config} amazon-ssm-agent.json.wrong"),
			ImageAgain,
		},
		Docs: []string{docAgentLog},
	},
	Cause{
		ID: "platform-unsupported", Group: "agent", Severity: Info, Title: "operating system not supported in full",
		Meaning: "Systems Manager, or one part of it, does not support this operating system, or only with a later release of the agent. Everything else works.",
		Fix: []Step{
			linux.onHost("Check which systems and versions are supported, and compare with this one", "cat /etc/os-release"),
			onHost("Where a later release of the agent is needed, see which one runs", "ssm-doctor check agent-version"),
		},
		Docs: []string{docSupported},
	},
	Cause{
		ID: "agent-update-blocked", Group: "agent", Severity: Warning, Title: "new releases do not reach the agent",
		Meaning: "Something on this host keeps newer releases of the agent away: the key that verifies its packages has expired, a rule holds the package at its version, or a lock is left over. The node keeps working with the release it has.",
		Fix: []Step{
			linux.onHost("Check what holds the package", "apt-mark showhold; yum versionlock list; snap refresh --time"),
			asRoot("Update the agent", "{reinstall}"),
			onHost("Check again", "ssm-doctor check update-path"),
		},
		Docs: []string{docAgentUpdate, docSignature},
	},
	Cause{
		ID: "agent-backoff-wait", Group: "agent", Severity: Info, LastResort: true, Title: "agent is waiting before its next try",
		Meaning: "What kept the agent from working is gone. The agent has not noticed: after a refusal it sleeps for about half an hour, after other failures up to an hour, and never longer than Ssm.CredentialRetryMaxSleepSeconds says.",
		Fix: []Step{
			asRoot("Restart the agent so that it retries now, or wait up to {minutes} min until it wakes by itself", "{restart}"),
			verify,
		},
		Docs: []string{docAgentLog},
	},
}
