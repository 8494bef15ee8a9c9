package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestAgentWorker(t *testing.T) {
	t.Parallel()
	alone := func(f *facts.Facts) { f.Agent.Processes.Value.Worker = nil }
	version := func(s facts.Seen[string]) func(*facts.Facts) {
		return func(f *facts.Facts) {
			alone(f)
			f.Agent.Running, f.Agent.Installed = s, s
		}
	}
	table := []row{
		{name: "profile", want: want{status: Pass, says: "core and worker run"}},
		{name: "dhmc", kind: "dhmc", want: want{status: Pass}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass}},
		{name: "windows", kind: "windows", want: want{status: Pass}},
		{name: "task", kind: "task", want: want{status: Pass}},
		{name: "no worker", fault: alone, want: want{status: Fail, effect: Blocks, says: "the core started its worker 2 h ago, and it runs no more"}},
		{name: "no worker was started", fault: func(f *facts.Facts) {
			alone(f)
			f.Log.Matches.Value = nil
		}, want: want{status: Fail, effect: Blocks, says: "the core runs without its worker: the agent has had no usable credentials"}},
		{name: "no worker, since it cannot be started", fault: func(f *facts.Facts) {
			alone(f)
			f.Log.Matches.Value = nil
			log(f, facts.SigWorkerStart, time.Minute, "ERROR [LongRunningWorkerContainer] failed to start worker ssm-agent-worker, no such file")
		}, want: want{status: Fail, effect: Blocks, says: "cannot start its worker: failed to start worker ssm-agent-worker, no such file"}},
		{name: "it could not be started once", fault: func(f *facts.Facts) {
			alone(f)
			log(f, facts.SigWorkerStart, 30*time.Hour, "ERROR failed to start worker ssm-agent-worker")
		}, want: want{status: Fail, effect: Blocks, says: "it runs no more"}},
		{name: "nothing runs", fault: func(f *facts.Facts) { f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc") }, want: want{status: Skip, says: "does not run"}},
		{name: "before 3.0", fault: version(facts.Known("2.3.1644.0", "rpm -q")), want: want{status: Skip, says: "before 3.0"}},
		{name: "version not known", fault: version(facts.Unknown[string]("permission denied", "")), want: want{status: Unknown, says: "its version is not known"}},
		{name: "processes unread", fault: func(f *facts.Facts) {
			f.Agent.Processes = facts.Unknown[facts.Processes]("permission denied", "file:/proc")
		}, want: want{status: Unknown, says: "processes: permission denied"}},
		{name: "agent unread", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: want{status: Unknown, says: "processes: not looked at"}},
	}
	judge(t, AgentWorker, table)
	judgeUnread(t, AgentWorker, table)
}
