package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	const worker = "ERROR [ssm-session-worker] [user-0a] [DataBackend] [pluginName=Standard_Stream] "
	says := func(sig, entry string) func(*facts.Facts) {
		return func(f *facts.Facts) { log(f, sig, time.Hour, worker+entry) }
	}
	both := func(faults ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, x := range faults {
				x(f)
			}
		}
	}
	later := func(sig string, before time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) { log(f, sig, before, "INFO [ssm-session-worker] later") }
	}
	users := func(changed time.Duration, names ...string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Work.Users = facts.Known(facts.Users{Named: names, Changed: f.CollectedAt.Add(-changed)}, "file:/etc/passwd")
		}
	}
	script := func(since time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Work.Script = facts.Known(facts.FoundProgram{Path: "/usr/bin/script", Since: f.CollectedAt.Add(-since)}, "file:/usr/bin/script")
		}
	}
	noScript := func(f *facts.Facts) { f.Work.Script = facts.Absent[facts.FoundProgram]("no program", "") }
	fails := func(says string) want {
		return want{status: Warn, effect: Breaks, cause: "session-failing", confidence: Likely, says: says, saw: "agent log: ERROR [ssm-session-worker]"}
	}
	missing := says(facts.SigRunAsMissing, "Unable to start command: failed to start pty since RunAs user deploy does not exist")
	with := func(w want, value string) want { w.value = value; return w }
	noted := fails("a session did not find its user deploy 60 min ago; the user was created since")
	noted.effect = Notes
	table := []row{
		{name: "profile", want: want{status: Skip, says: "no session is on record, neither one that opened nor one that failed"}},
		{name: "dhmc", kind: "dhmc", want: want{status: Skip}},
		{name: "hybrid", kind: "hybrid", want: want{status: Skip}},
		{name: "a session opened", fault: later(facts.SigSessionOpened, time.Minute), want: want{status: Pass, says: "a session opened 60 s ago"}},
		{name: "no agent", fault: noAgentAtAll, want: want{status: Skip, says: "no agent is installed"}},
		{name: "log unread", fault: unreadLogOf, want: want{status: Unknown, says: "agent log: "}},

		{name: "no RunAs user", fault: both(missing, users(99*time.Hour, "ssm-user")), want: with(fails("their RunAs user deploy does not exist on this host (once, 60 min ago)"), "user=deploy")},
		{name: "the file of users was not read", fault: both(missing, func(f *facts.Facts) { f.Work.Users = facts.Seen[facts.Users]{} }), want: fails("deploy does not exist")},
		{name: "the user was there all the time", fault: both(missing, users(99*time.Hour, "deploy")), want: fails("deploy does not exist")},
		{name: "the user was created since", fault: both(missing, users(time.Minute, "deploy")), want: noted},
		{name: "a session opened since", fault: both(missing, later(facts.SigSessionOpened, time.Minute)), want: want{status: Pass, says: "a session opened"}},
		{name: "a port was forwarded since", fault: both(missing, later(facts.SigPortOpened, time.Minute)), want: fails("deploy does not exist")},
		{name: "a session opened before", fault: both(missing, later(facts.SigSessionOpened, 2*time.Hour)), want: fails("deploy does not exist")},
		{name: "long ago", fault: func(f *facts.Facts) {
			log(f, facts.SigRunAsMissing, 25*time.Hour, worker+"RunAs user deploy does not exist")
		}, want: want{status: Skip}},
		{name: "ahead of the clock", fault: func(f *facts.Facts) {
			log(f, facts.SigRunAsMissing, -time.Hour, worker+"RunAs user deploy does not exist")
		}, want: want{status: Skip}},
		{name: "no user named", fault: says(facts.SigRunAsUnset, "please set the RunAs default user"), want: fails("RunAs is on, and no user is named")},
		{name: "agent not root", fault: says(facts.SigRunAsNotRoot, "the agent must run as root to use RunAs"), want: fails("needs an agent that runs as root")},
		{name: "RunAs root", fault: says(facts.SigRunAsRoot, "Unable to start command: invalid uid and gid"), want: fails("runs none as root")},
		{name: "useradd refused, and what follows", fault: both(says(facts.SigUserNotMade, "Failed to create ssm-user: exit status 1"), says(facts.SigUserUnreadable, "Failed to retrieve uid for ssm-user: exit status 1"), says(facts.SigSessionStart, "Unable to start command: exit status 1")),
			want: fails("the agent cannot create their user ssm-user (once, 60 min ago)")},
		{name: "looked up in vain", fault: says(facts.SigUserUnreadable, "Failed to retrieve groups for ana@corp: exit status 1"), want: fails("their user ana@corp cannot be looked up")},
		{name: "domain controller", kind: "windows", fault: says(facts.SigOnDomainControl, "Instance is running active directory domain controller service."), want: fails("this is a domain controller")},
		{name: "no sudo", fault: says(facts.SigSudoers, "Failed to add ssm-user to sudoers file: read-only"), want: fails("may not use sudo")},
		{name: "no shell", fault: says(facts.SigSessionStart, "Failed to start pty: fork/exec /bin/sh: permission denied"), want: fails("their shell cannot be run")},
		{name: "no terminal", fault: says(facts.SigSessionStart, "Failed to start pty: open /dev/ptmx: no such file or directory"), want: fails("gives no pseudo terminal")},
		{name: "no memory for the shell", fault: says(facts.SigSessionStart, "Failed to start pty: fork/exec /usr/bin/sh: cannot allocate memory"), want: fails("no memory or no process left for their shell")},
		{name: "shell profile", fault: says(facts.SigSessionProfile, "Encountered an error while executing shell profile: write"), want: fails("the shell profile")},
		{name: "folder", fault: says(facts.SigSessionFile, "encountered an error while creating file /var/lib/x: permission denied"), want: fails("their folder cannot be written")},
		{name: "key gone", fault: says(facts.SigSessionKey, "Fetching data key failed: Unable to retrieve data key, Error when decrypting data key NotFoundException: Key 'arn:aws:kms:eu-central-1:111122223333:key/0a' does not exist"),
			want: with(fails("the KMS key that encrypts them does not exist"), "key=arn:aws:kms:eu-central-1:111122223333:key/0a")},
		{name: "key disabled", fault: says(facts.SigSessionKey, "Fetching data key failed: Unable to retrieve data key, Error when decrypting data key DisabledException: arn:aws:kms:eu-central-1:111122223333:key/0a is disabled."),
			want: with(fails("the KMS key that encrypts them is disabled"), "key=arn:aws:kms:eu-central-1:111122223333:key/0a")},
		{name: "key that waits for its deletion", fault: says(facts.SigSessionKey, "Fetching data key failed: Unable to retrieve data key, Error when decrypting data key KMSInvalidStateException: arn:aws:kms:eu-central-1:111122223333:key/0a is pending deletion."),
			want: with(fails("the KMS key that encrypts them waits for its deletion"), "key=arn:aws:kms:eu-central-1:111122223333:key/0a")},
		{name: "key pending import", fault: says(facts.SigSessionKey, "Fetching data key failed: Unable to retrieve data key, Error when decrypting data key KMSInvalidStateException: arn:aws:kms:eu-central-1:111122223333:key/0a is pending import."),
			want: with(fails("the KMS key that encrypts them cannot be used"), "key=arn:aws:kms:eu-central-1:111122223333:key/0a")},
		{name: "key refused", fault: says(facts.SigSessionKey, "Fetching data key failed: AccessDeniedException: no"), want: want{status: Skip}},
		{name: "log group not encrypted", fault: says(facts.SigLogsUnencrypted, "Validation failed, err: We couldn't start the session because encryption is not set up on the selected CloudWatch Logs log group."), want: fails("the log group that they go to is not")},
		{name: "bucket not encrypted", fault: says(facts.SigLogsUnencrypted, "Validation failed, err: We couldn't start the session because encryption is not set up on the selected Amazon S3 bucket."), want: fails("the bucket that they go to is not")},
		{name: "encryption not told", fault: says(facts.SigLogsUnchecked, "unable to validate encryption on Amazon S3 bucket. Error: NoSuchBucket: The specified bucket does not exist"), want: fails("whether the bucket that their logs go to is encrypted could not be read")},
		{name: "encryption refused", fault: says(facts.SigLogsUnchecked, "unable to validate encryption on Amazon S3 bucket. Error: AccessDenied: Access Denied"), want: want{status: Skip}},
		{name: "log group missing", fault: says(facts.SigLogGroup, "The CloudWatch log group specified in session preferences either does not exist or unable to validate its existence."), want: fails("the log group that the preferences name does not exist")},
		{name: "log group refused", fault: both(says(facts.SigSessionLogs, "Error Calling DescribeLogGroups:AccessDeniedException: not authorized to perform: logs:DescribeLogGroups"), later(facts.SigSessionStreamed, 2*time.Hour)), want: want{status: Skip}},
		{name: "logs not taken", fault: says(facts.SigSessionLogs, `Log group "/corp/sessions" or log stream "a" not found. Log stream stopped. Error:ResourceNotFoundException`), want: with(fails("CloudWatch Logs does not take them"), "loggroup=/corp/sessions")},
		{name: "logs unreachable", fault: says(facts.SigSessionLogs, "Error Calling DescribeLogGroups:RequestError: dial tcp 52.94.162.231:443: i/o timeout"), want: want{status: Skip}},
		{name: "bucket gone", fault: says(facts.SigSessionUpload, "Failed to upload /var/x.log to s3://corp-sessions/a/b err:NoSuchBucket: The specified bucket does not exist"), want: with(fails("the bucket that they go to does not take them"), "bucket=corp-sessions")},
		{name: "bucket taken since", fault: both(says(facts.SigSessionUpload, "Failed to upload: NoSuchBucket"), later(facts.SigSessionUploaded, time.Minute)), want: want{status: Skip}},
		{name: "no script", fault: both(noScript, says(facts.SigTranscript, `unable to generate log data: exec: "script": executable file not found in $PATH`)), want: fails("the program script, which writes them, is not found (")},
		{name: "script there, and not found", fault: both(script(99*time.Hour), says(facts.SigTranscript, `exec: "script": executable file not found in $PATH`)), want: fails("though /usr/bin/script is there")},
		{name: "script came since", fault: both(script(time.Minute), says(facts.SigTranscript, `exec: "script": executable file not found in $PATH`)), want: want{status: Skip}},
		{name: "script fails", fault: says(facts.SigTranscript, "unable to generate log data: Failed to generate transcript with the following errors: exit status 1"), want: fails("the program script cannot write them")},

		{name: "worker gone", fault: says(facts.SigSessionWorker, "start process: /usr/bin/ssm-session-worker error: fork/exec /usr/bin/ssm-session-worker: no such file or directory"), want: fails("session worker is missing")},
		{name: "worker may not run", fault: says(facts.SigSessionWorker, "start process: /usr/bin/ssm-session-worker error: fork/exec /usr/bin/ssm-session-worker: permission denied"), want: want{status: Skip}},
		{name: "no process for the worker", fault: says(facts.SigSessionWorker, "start process: /usr/bin/ssm-session-worker error: fork/exec /usr/bin/ssm-session-worker: resource temporarily unavailable"), want: fails("no memory or no process left for the session worker")},
		{name: "no plug-in", fault: says(facts.SigStream, "Plugin with name Standard_Stream not found. Step name: Standard_Stream"), want: fails("session plug-in Standard_Stream")},
		{name: "no plug-in on a full disk", fault: both(says(facts.SigStream, "Plugin with name Standard_Stream not found."), func(f *facts.Facts) {
			f.Host.FileSystems.Value[0].Usage = facts.Known(facts.Usage{TotalBytes: 8 << 30}, "statfs")
		}), want: want{status: Skip}},
		{name: "data channel", fault: says(facts.SigDataChannel, "Setting up data channel with id user-0a failed: failed to open datachannel with error: websocket: bad handshake"), want: fails("their data channel fails")},
		{name: "data channel refused", fault: says(facts.SigDataChannel, "createDataChannel request failed: <AccessDeniedException>"), want: want{status: Skip}},
		{name: "data channel, and an endpoint that is closed", fault: both(says(facts.SigDataChannel, "Setting up data channel with id user-0a failed"), netAll(netTimeout("ssmmessages"))), want: want{status: Skip}},
		{name: "data channel that is not reached", fault: says(facts.SigDataChannel, "createDataChannel request failed: failed to make http client call: Post https://ssmmessages: dial tcp 52.1.2.3:443: i/o timeout"), want: fails("their data channel fails")},
		{name: "data channel in an outage", fault: both(says(facts.SigDataChannel, "dial tcp 52.1.2.3:443: i/o timeout"), func(f *facts.Facts) {
			log(f, facts.SigChannelFailed, 65*time.Minute, "ERROR Error setting up control channel: i/o timeout")
		}), want: want{status: Skip}},
		{name: "folder while the disk was full", fault: says(facts.SigSessionFile, "encountered an error while creating file /var/lib/x: no space left on device"), want: want{status: Skip}},
		{name: "the caller's plug-in", fault: says(facts.SigSessionClient, "Handshake timed out. Please ensure that you have the latest version of the session manager plugin."), want: want{status: Skip, more: "client-side-problem"}},
		{name: "two at once", fault: both(missing, func(f *facts.Facts) {
			log(f, facts.SigSessionUpload, 3*time.Hour, worker+"Failed to upload: NoSuchBucket")
		}), want: fails("; also: sessions lose their logs")},
	}
	judge(t, Sessions, table)
}
