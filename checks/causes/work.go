package causes

const (
	docRunAs      = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-preferences-run-as.html"
	docSessionLog = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-logging.html"
	docRunCommand = "https://docs.aws.amazon.com/systems-manager/latest/userguide/troubleshooting-remote-commands.html"
	docSessionKey = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-preferences-enable-encryption.html"
)

// Steps that end a remedy of work that fails: what takes the finding back.
var (
	trySession = operator("Start a session and end it: the agent's log then shows whether it works", "aws ssm start-session --region {region} --target {node}")
	tryCommand = []Step{
		unix.operator("Send a command: this finding goes away once one runs", "aws ssm send-command --region {region} --instance-ids {node} --document-name AWS-RunShellScript --parameters commands=date"),
		windows.operator("Send a command: this finding goes away once one runs", "aws ssm send-command --region {region} --instance-ids {node} --document-name AWS-RunPowerShellScript --parameters commands=date"),
	}
	readWorkers = []Step{
		unix.asRoot("Read the logs of the session and command workers", "grep -hE 'ssm-(session|document)-worker' {log}/amazon-ssm-agent.log | grep -E 'ERROR|WARN' | tail -n 20"),
		windows.asRoot("Read the logs of the session and command workers", `Select-String -Path C:\ProgramData\Amazon\SSM\Logs\*.log -Pattern 'ssm-(session|document)-worker.*(ERROR|WARN)|(ERROR|WARN).*ssm-(session|document)-worker' | Select-Object -Last 20`),
	}
	preferences = operator("Look at the preferences of Session Manager in this Region", "aws ssm get-document --region {region} --name SSM-SessionManagerRunShell --document-format JSON --query Content --output text")
)

// TrySession shows whether sessions open.
var TrySession = trySession

// setPreference changes one of the preferences of Session Manager, and leaves the others.
func setPreference(key, value string) string {
	return "aws ssm get-document --region {region} --name SSM-SessionManagerRunShell --document-format JSON --query Content --output text | tr '\\n' ' ' | " +
		Draft(editLine([]string{"s#(\"" + key + `"[[:space:]]*:[[:space:]]*)("[^"]*"|true|false|null)#\1` + value + "#"}), "preferences.json", "the preferences hold no "+key) + "\n" +
		"aws ssm update-document --region {region} --name SSM-SessionManagerRunShell --document-version '$LATEST' --content file://preferences.json"
}

func steps(list ...any) []Step {
	var out []Step
	for _, x := range list {
		switch x := x.(type) {
		case Step:
			out = append(out, x)
		case []Step:
			out = append(out, x...)
		}
	}
	return out
}

const enableKey = "aws kms enable-key --region {region} --key-id {key}"

const encryptBucket = `aws s3api put-bucket-encryption --bucket {bucket} --server-side-encryption-configuration '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}'`

// Remedies of sessions that fail, by what the log says.
var (
	SessionUserMissing = steps(
		linux.asRoot("Create the user {user}, which Session Manager is told to run sessions as", "{adduser} {user}"),
		mac.asRoot("Create the user {user}, which Session Manager is told to run sessions as", "sysadminctl -addUser {user} -shell /bin/zsh"),
		or(unix.operator)("Or turn RunAs off in the preferences: sessions then run as ssm-user, which the agent makes by itself", setPreference("runAsEnabled", "false")),
		trySession, verify)
	SessionUserUnset = steps(
		operator("RunAs is on, and names no user: set runAsDefaultUser in the preferences, or turn runAsEnabled off", preferences.Command),
		or(operator)("Or give the caller's IAM role the tag SSMSessionRunAs with a user of this host", "aws iam tag-role --role-name CALLER_ROLE --tags Key=SSMSessionRunAs,Value={user}"),
		trySession, verify)
	SessionUserNotAllowed = steps(
		operator("Name another user: the agent starts no RunAs session as root or with the group root. The tag SSMSessionRunAs of the caller comes first, then runAsDefaultUser of the preferences", preferences.Command),
		trySession, verify)
	SessionAgentNotRoot = steps(
		RunAsRoot,
		linux.asRoot("Restart the agent", "systemctl daemon-reload\n{restart}"),
		mac.asRoot("Make sure the agent runs as root, then restart it", "{restart}"),
		trySession, verify)
	SessionUserNotMade = steps(
		linux.asRoot("Create the user as the agent does, and read why it is refused: a locked or read-only /etc/passwd, no useradd, a name or group that is taken", "{adduser} {user}; ls -l /etc/passwd /etc/shadow /etc/*.lock; lsattr /etc/passwd"),
		mac.asRoot("Create the user as the agent does, and read why it is refused", "sysadminctl -addUser {user} -shell /usr/bin/false"),
		windows.asRoot("Create the user as the agent does, and read why it is refused", "New-LocalUser {user} -NoPassword; Get-LocalUser {user}"),
		or(operator)("Or let sessions run as a user that exists: runAsEnabled and runAsDefaultUser in the preferences", preferences.Command),
		trySession, verify)
	SessionUserUnreadable = steps(
		unix.onHost("Look the user up as the agent does; a directory service that does not answer shows here", "id {user}"),
		linux.onHost("Check where this host looks users up", "grep -E '^(passwd|group)' /etc/nsswitch.conf"),
		or(unix.operator)("Or let sessions run as a local user: runAsDefaultUser in the preferences", preferences.Command),
		trySession, verify)
	SessionNoSudo = steps(
		linux.asRoot("Write the rule that the agent could not write, and check it", `printf 'ssm-user ALL=(ALL) NOPASSWD:ALL\n' > /etc/sudoers.d/ssm-agent-users
chmod 440 /etc/sudoers.d/ssm-agent-users
visudo -c`),
		mac.asRoot("Write the rule that the agent could not write, and check it", `printf 'ssm-user ALL=(ALL) NOPASSWD:ALL\n' > /etc/sudoers.d/ssm-agent-users
chmod 440 /etc/sudoers.d/ssm-agent-users
visudo -c`),
		operator("Start a session and try sudo -l in it; the agent does not log it again, and its entry counts for a day", trySession.Command), verify)
	SessionOnDomainController = steps(
		windows.asRoot("On a domain controller the agent makes no local user: create ssm-user as an administrator of the domain, by hand", "New-ADUser -Name ssm-user -SamAccountName ssm-user -Enabled $false; Add-ADGroupMember -Identity Administrators -Members ssm-user"),
		trySession, verify)
	SessionNoShell = steps(
		linux.onHost("Check that a shell is there and may be run", "ls -lL /bin/sh; sh -c 'echo works'"),
		linux.onHost("Check that a pseudo terminal can be had: the device, its file system, and how many are in use", "ls -l /dev/ptmx; grep devpts /proc/mounts; cat /proc/sys/kernel/pty/nr /proc/sys/kernel/pty/max"),
		mac.onHost("Check that a shell is there and may be run", "ls -lL /bin/sh; sh -c 'echo works'"),
		windows.onHost("Check that PowerShell starts", "powershell.exe -NoProfile -Command 'echo works'"),
		trySession, verify)
	SessionNoTerminal = steps(
		linux.asRoot("Mount the file system of pseudo terminals", "mkdir -p /dev/pts && mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts; ls -l /dev/ptmx || ln -s pts/ptmx /dev/ptmx"),
		linux.asRoot("If all of them are in use, allow more", "cat /proc/sys/kernel/pty/nr; sysctl -w kernel.pty.max=8192"),
		mac.onHost("Check how many pseudo terminals are in use", "ls /dev/ttys* | wc -l"),
		trySession, verify)
	SessionNoMemory = steps(
		linux.onHost("Check what takes memory and processes, and what the service may have", "free -m; ps -eo pid,user,rss,comm --sort=-rss | head -15; systemctl show {unit} -p TasksCurrent,TasksMax,MemoryCurrent,MemoryMax"),
		mac.onHost("Check what takes memory", "top -l 1 -o mem -n 15"),
		windows.onHost("Check what takes memory", "Get-Process | Sort-Object WS -Descending | Select-Object -First 15 Name,Id,WS"),
		asRoot("Restart the agent once there is room", "{restart}"),
		trySession, verify)
	SessionFolder = steps(
		unix.asRoot("Check that the agent can write there: owner, mode, space, mount", "ls -ld {data} {data}/*; df -h {data}; df -i {data}"),
		unix.asRoot("Give it back to root, with the mode the agent uses", "chown -R 0:0 {data}\nchmod 700 {data}"),
		windows.asRoot("Check that the agent can write there", "Get-Acl {data} | Format-List"),
		restart, verify)
	SessionKeyGone = steps(
		operator("The key does not exist in this Region any more: let sessions do without it (kmsKeyId of the preferences becomes empty); they stay encrypted by TLS", setPreference("kmsKeyId", `""`)),
		or(operator)("Or name another key that {role} may use with kms:Decrypt", setPreference("kmsKeyId", `"KEY_ARN"`)),
		trySession, verify)
	SessionKeyDisabled = steps(
		operator("Enable the key", enableKey),
		or(operator)("Or let sessions do without it (kmsKeyId of the preferences becomes empty); they stay encrypted by TLS", setPreference("kmsKeyId", `""`)),
		trySession, verify)
	SessionKeyPending = steps(
		operator("The key waits for its deletion: take that back, and enable it", "aws kms cancel-key-deletion --region {region} --key-id {key}\n"+enableKey),
		or(operator)("Or name another key, or none, in the preferences", preferences.Command),
		trySession, verify)
	SessionKey = steps(
		operator("Check whether the key exists in this Region, is enabled and is symmetric", "aws kms describe-key --region {region} --key-id {key} --query 'KeyMetadata.[KeyState,Enabled,KeySpec,MultiRegion]'"),
		operator("If it is Disabled, enable it", enableKey),
		operator("If it is PendingDeletion, take that back first", "aws kms cancel-key-deletion --region {region} --key-id {key}\n"+enableKey),
		operator("Check what its policy lets the role {role} of this node do: sessions need kms:Decrypt", "aws kms get-key-policy --region {region} --key-id {key} --policy-name default --output text"),
		or(operator)("Or name another key, or none, in the preferences", preferences.Command),
		trySession, verify)
	SessionLogsEncryption = steps(
		operator("Session logs must be encrypted by the preferences: encrypt the log group that they go to", "aws logs associate-kms-key --region {region} --log-group-name {loggroup} --kms-key-id KEY_ARN"),
		or(operator)("Or do not require it, in the preferences", setPreference("cloudWatchEncryptionEnabled", "false")),
		trySession, verify)
	SessionBucketEncryption = steps(
		operator("Session logs must be encrypted by the preferences: encrypt the bucket that they go to", encryptBucket),
		or(operator)("Or do not require it, in the preferences", setPreference("s3EncryptionEnabled", "false")),
		trySession, verify)
	SessionLogGroup = steps(
		preferences,
		operator("Check whether the log group that they name exists in this Region; create it if not", "aws logs describe-log-groups --region {region} --log-group-name-prefix {loggroup}"),
		operator("Let the role {role} write there: its policies must allow logs:DescribeLogGroups, logs:DescribeLogStreams, logs:CreateLogStream and logs:PutLogEvents", "aws iam list-attached-role-policies --role-name {role}"),
		trySession, verify)
	SessionLogBucket = steps(
		preferences,
		operator("Check whether the bucket that they name exists, and in which Region", "aws s3api get-bucket-location --bucket {bucket}"),
		operator("Let the role {role} write there: its policies must allow s3:PutObject and s3:GetEncryptionConfiguration", "aws iam list-attached-role-policies --role-name {role}"),
		trySession, verify)
	SessionScript = steps(
		linux.asRoot("Install the program script, which writes the log of a session", "{installscript}"),
		linux.onHost("Check that it is there", "command -v script"),
		mac.onHost("Check that it is there", "command -v script"),
		trySession, verify)
	SessionDataChannel = steps(
		onHost("Ask the endpoint of the channel once more", "ssm-doctor check endpoints websocket proxy"),
		operator("Each session opens a channel of its own: see that the role {role} may call ssmmessages:CreateDataChannel and ssmmessages:OpenDataChannel", "aws iam simulate-principal-policy --policy-source-arn arn:{partition}:iam::{account}:role/{role} --action-names ssmmessages:CreateDataChannel ssmmessages:OpenDataChannel"),
		trySession, verify)
)

// Remedies of commands that fail before they run, and of both.
var (
	DocumentWorkerMissing = steps(
		asRoot("Install the agent over the present one, which brings its workers back; its registration stays", "{reinstall}"),
		tryCommand, verify)
	SessionWorkerMissing = steps(DocumentWorkerMissing[0], trySession, verify)
	WorkerNoMemory       = steps(
		linux.onHost("Check what takes memory and processes, and what the service may have", "free -m; uptime; ps -eo pid,user,rss,comm --sort=-rss | head -15; systemctl show {unit} -p TasksCurrent,TasksMax,MemoryCurrent,MemoryMax"),
		mac.onHost("Check what takes memory", "top -l 1 -o mem -n 15"),
		windows.onHost("Check what takes memory", "Get-Process | Sort-Object WS -Descending | Select-Object -First 15 Name,Id,WS"),
		AddSwap,
		tryCommand, verify)
	WorkerSlow = steps(
		readWorkers,
		linux.onHost("Check whether memory or processor was short: the worker answers late on a host under load", "free -m; uptime; ps -eo pid,user,pcpu,rss,comm --sort=-pcpu | head -15"),
		mac.onHost("Check whether memory or processor was short", "top -l 1 -o cpu -n 15"),
		windows.onHost("Check whether memory or processor was short", "Get-Process | Sort-Object CPU -Descending | Select-Object -First 15 Name,Id,CPU,WS"),
		tryCommand, verify)
	DocumentSchema = steps(
		asRoot("Update the agent: the document needs a newer one", "{reinstall}"),
		restart, tryCommand, verify)
	DocumentPlatform = steps(
		operator("The document holds a step for another system: send one for this system, or give the step a precondition on platformType", "aws ssm list-documents --region {region} --filters Key=DocumentType,Values=Command Key=Owner,Values=Self"),
		tryCommand, verify)
	DocumentPlugin = steps(
		readWorkers,
		asRoot("Update the agent: a step of the document names a plug-in that it does not have", "{reinstall}"),
		restart, tryCommand, verify)
	ScriptInterpreter = steps(
		linux.onHost("Check which interpreters are there", "command -v sh bash pwsh powershell; ls -lL /bin/sh"),
		linux.onHost("Steps in PowerShell need PowerShell from Microsoft's packages: the agent runs /usr/bin/powershell, or else /usr/bin/pwsh", "ls -lL /usr/bin/powershell /usr/bin/pwsh"),
		mac.onHost("Check which interpreters are there", "ls -lL /bin/sh /usr/local/bin/pwsh"),
		windows.onHost("Check that PowerShell starts", "powershell.exe -NoProfile -Command 'echo works'"),
		tryCommand, verify)
	CommandFolder = steps(
		unix.asRoot("Look at the folder in which documents run: owner, mode, space, mount. Nothing may delete it while a command runs", "ls -ld {data} {data}/*/document/orchestration; df -h {data}; df -i {data}; grep -rlE 'amazon/ssm' /etc/tmpfiles.d /etc/cron* 2>/dev/null"),
		unix.asRoot("Give it back to root, with the mode the agent uses", "chown -R 0:0 {data}\nchmod 700 {data}"),
		windows.asRoot("Check that the agent can write there", "Get-Acl {data} | Format-List"),
		restart, tryCommand, verify)
	CommandOutput = steps(
		operator("Check whether the bucket that the command names exists, and in which Region", "aws s3api get-bucket-location --bucket {bucket}"),
		operator("Let the role {role} write there: s3:PutObject, or logs:CreateLogStream and logs:PutLogEvents for a log group", "aws iam list-attached-role-policies --role-name {role}"),
		tryCommand, verify)
	DocumentContent = steps(
		readWorkers,
		operator("Check that what the document downloads exists, and that the role {role} may read it", "aws iam list-attached-role-policies --role-name {role}"),
		tryCommand, verify)
	DescriptorsOfSystem = steps(
		linux.asRoot("Check which processes hold the most files", "for p in /proc/[0-9]*; do echo \"$(ls $p/fd 2>/dev/null | wc -l) $(cat $p/comm 2>/dev/null)\"; done | sort -n | tail -15"),
		linux.asRoot("Allow more, now and after a reboot", "sysctl -w fs.file-max=2097152\nprintf 'fs.file-max=2097152\\n' > /etc/sysctl.d/60-file-max.conf"),
		restart, verify)
)

var workCauses = []Cause{
	Cause{
		ID: "session-failing", Group: "agent", Severity: Warning, Title: "sessions fail",
		Meaning: "The node is managed, but sessions do not open, or lose their logs, for a reason that the agent's session worker wrote down: the user they run as, the shell, the key, the log destination, the data channel.",
		Fix:     steps(readWorkers, preferences, trySession, verify),
		Ways: [][]Step{SessionUserMissing, SessionUserUnset, SessionUserNotAllowed, SessionAgentNotRoot, SessionUserNotMade, SessionUserUnreadable, SessionNoSudo, SessionOnDomainController, SessionNoShell, SessionNoTerminal,
			SessionNoMemory, SessionFolder, SessionKey, SessionKeyDisabled, SessionKeyPending, SessionKeyGone, SessionLogsEncryption, SessionBucketEncryption, SessionLogGroup, SessionLogBucket, SessionScript, SessionDataChannel, SessionWorkerMissing},
		Docs: []string{docSession, docRunAs, docSessionLog, docSessionKey},
	},
	Cause{
		ID: "command-failing", Group: "agent", Severity: Warning, Title: "commands fail before they run",
		Meaning: "The node is managed, but commands and associations fail before their steps run, or lose their output, for a reason that the agent or its document worker wrote down. A step that ran and failed is another matter.",
		Fix:     steps(readWorkers, tryCommand, verify),
		Ways:    [][]Step{DocumentWorkerMissing, WorkerNoMemory, WorkerSlow, DocumentSchema, DocumentPlatform, DocumentPlugin, ScriptInterpreter, CommandFolder, CommandOutput, DocumentContent},
		Docs:    []string{docRunCommand, docAgentLog},
	},
	Cause{
		ID: "descriptors-exhausted", Group: "agent", Severity: Warning, Title: "the agent has no file descriptors left",
		Meaning: "The agent's processes hold as many open files as they may, or the whole system does. The agent cannot start workers or open files: commands and sessions fail, while heartbeats over open connections may go on.",
		Fix: steps(
			linux.asRoot("Check how many files the agent's processes hold, before a restart frees them", "for p in $(pgrep -f '^([^ ]*/)?(amazon-ssm-a|ssm-[a-z]+-)'); do echo \"$(cat /proc/$p/comm): $(ls /proc/$p/fd | wc -l) of $(awk '/Max open files/ {print $4}' /proc/$p/limits)\"; done"),
			linux.asRoot("Raise its limit from the next start on: LimitNOFILE in a drop-in of its service", DropIn(`[Service]\nLimitNOFILE=65536\n`, "zz-files.conf")+"\nsystemctl daemon-reload"),
			asRoot("Restart the agent, which frees them", "{restart}"),
			asRoot("If they fill up again, update the agent: a release that never closes files has a bug", "{reinstall}"),
			verify),
		Ways: [][]Step{DescriptorsOfSystem},
		Docs: []string{docAgentLog},
	},
}
