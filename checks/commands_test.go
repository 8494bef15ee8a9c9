package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	const worker = "ERROR [ssm-document-worker] [0d6c] [DataBackend] "
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
		return func(f *facts.Facts) { log(f, sig, before, "INFO [ssm-document-worker] later") }
	}
	left := func(available uint64, average float64) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Work.Load = facts.Known(facts.Load{CPUs: 2, Average: average, Total: 1 << 30, Available: available}, "file:/proc")
		}
	}
	fails := func(says string) want {
		return want{status: Warn, effect: Breaks, cause: "command-failing", confidence: Likely, says: says, saw: "agent log: ERROR [ssm-document-worker]"}
	}
	slow := says(facts.SigDocWorker, "document process failed unexpectedly: document worker timed out , check [ssm-document-worker]/[ssm-session-worker] log for crash reason")
	noShell := says(facts.SigInterpreter, `failed to run commands: exec: "pwsh": executable file not found in $PATH`)
	table := []row{
		{name: "profile", want: want{status: Skip, says: "no command is on record, neither one that ran nor one that failed"}},
		{name: "hybrid", kind: "hybrid", want: want{status: Skip}},
		{name: "a command ran long ago", fault: later(facts.SigScriptRan, 25*time.Hour), want: want{status: Skip, says: "a command ran 25 h ago; nothing since is on record"}},
		{name: "a command ran", fault: later(facts.SigScriptRan, time.Minute), want: want{status: Pass, says: "a command ran 60 s ago"}},
		{name: "no agent", fault: noAgentAtAll, want: want{status: Skip, says: "no agent is installed"}},
		{name: "log unread", fault: unreadLogOf, want: want{status: Unknown, says: "agent log: "}},

		{name: "late", fault: both(slow, left(600<<20, 0.2)), want: fails("the document worker (ssm-document-worker) did not start or did not answer in time (once, 60 min ago)")},
		{name: "late, memory is short", fault: both(slow, left(20<<20, 0.2)), want: fails("and only 20 MiB of 1024 MiB of memory is available")},
		{name: "late, under load", fault: both(slow, left(600<<20, 31)), want: fails("under heavy load")},
		{name: "late, and another ran since", fault: both(slow, later(facts.SigDocRan, time.Minute)), want: want{status: Pass}},
		{name: "late since watches are used up", fault: both(slow, func(f *facts.Facts) {
			log(f, facts.SigInotify, time.Hour+3*time.Second, "add watch: no space left on device")
		}), want: want{status: Skip}},
		{name: "long ago", fault: func(f *facts.Facts) { log(f, facts.SigDocWorker, 25*time.Hour, "timed out") }, want: want{status: Skip}},
		{name: "worker gone", fault: says(facts.SigDocStart, "start process: /usr/bin/ssm-document-worker error: fork/exec /usr/bin/ssm-document-worker: no such file or directory"), want: fails("document worker is missing")},
		{name: "worker may not run", fault: says(facts.SigDocStart, "fork/exec /usr/bin/ssm-document-worker: permission denied"), want: want{status: Skip}},
		{name: "no memory for the worker", fault: says(facts.SigDocStart, "fork/exec /usr/bin/ssm-document-worker: cannot allocate memory"), want: fails("no memory or no process left for the document worker")},
		{name: "worker breaks", fault: says(facts.SigDocStart, "document worker failed to initialize with error failed to get identity"), want: fails("document worker does not start")},
		{name: "worker breaks, and is missed", fault: both(says(facts.SigDocStart, "document worker panic: x"), slow), want: fails("document worker does not start (once, 60 min ago)")},
		{name: "newer schema", fault: says(facts.SigDocSchema, "Document with schema version 2.9 is not supported by this version of ssm agent, please update to latest version"), want: fails("its document (schema 2.9) needs a newer agent")},
		{name: "other system", fault: says(facts.SigDocPlatform, "Plugin with name aws:runPowerShellScript is not supported in current platform. Step name: a"), want: fails("its step aws:runPowerShellScript is not for this system")},
		{name: "no plug-in", fault: says(facts.SigPluginMissing, "Plugin with name aws:new not found. Step name: a"), want: fails("the agent has no plug-in aws:new")},
		{name: "no interpreter", fault: noShell, want: fails("their interpreter pwsh cannot be started")},
		{name: "no interpreter, and other steps ran", fault: both(noShell, later(facts.SigDocRan, time.Minute)), want: fails("their interpreter pwsh")},
		{name: "no interpreter, and a script ran since", fault: both(noShell, later(facts.SigScriptRan, time.Minute)), want: want{status: Pass}},
		{name: "folder", fault: says(facts.SigCommandFolder, "failed to create script file. open /var/lib/amazon/ssm/x: no such file or directory"), want: fails("the folder in which the agent keeps them")},
		{name: "download", fault: says(facts.SigDownload, "failed to download: NoSuchKey: The specified key does not exist."), want: fails("what its document downloads cannot be had")},
		{name: "download refused", fault: says(facts.SigDownload, "failed to download: AccessDenied: Access Denied"), want: want{status: Skip}},
		{name: "output", fault: says(facts.SigCommandUpload, "Failed to upload the output to s3: NoSuchBucket"), want: fails("commands lose their output: the bucket")},
		{name: "output taken since", fault: both(says(facts.SigCommandUpload, "NoSuchBucket"), later(facts.SigOutputSent, time.Minute)), want: want{status: Skip}},
		{name: "output to a log group", fault: says(facts.SigCommandLogs, "Error Calling CreateLogStream:ResourceNotFoundException"), want: fails("CloudWatch Logs does not take it")},
	}
	judge(t, Commands, table)
}
