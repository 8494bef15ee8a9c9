package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestAgentRunningVersion(t *testing.T) {
	t.Parallel()
	versions := func(installed, running string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Agent.Installed, f.Agent.Running = facts.Known(installed, "rpm -q"), facts.Known(running, "file:/var/log/amazon/ssm/audits")
		}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "3.3.3050.0")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "")},
		{name: "windows", kind: "windows", want: is(Pass, "")},
		{name: "task", kind: "task", want: is(Skip, "no installation was found to compare with")},
		{name: "older runs", fault: versions("3.3.3050.0", "3.3.987.0"), want: is(Warn, "running 3.3.987.0, installed 3.3.3050.0; restart the agent to run the installed one")},
		{name: "newer runs", fault: versions("3.3.987.0", "3.3.3050.0"), want: is(Warn, "running 3.3.3050.0, installed 3.3.987.0")},
		{name: "the same, written shorter", fault: versions("3.3.3050", "3.3.3050.0"), want: is(Pass, "")},
		{name: "not to be compared", fault: versions("devel", "3.3.3050.0"), want: is(Unknown, "running 3.3.3050.0, installed devel: these cannot be compared")},
		{name: "replaced", fault: func(f *facts.Facts) { f.Agent.Processes.Value.Core[0].Deleted = true }, want: is(Warn, "the agent's executable was replaced since it started; restart it")},
		{name: "does not run", fault: func(f *facts.Facts) { f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc") }, want: is(Skip, "the agent does not run")},
		{name: "running version unread", fault: func(f *facts.Facts) {
			f.Agent.Running = facts.Unknown[string]("permission denied", "file:/var/log/amazon/ssm/audits").Because(facts.NeedsRoot)
		}, want: is(Unknown, "running version: permission denied")},
		{name: "no start on record", fault: func(f *facts.Facts) { f.Agent.Running = facts.Absent[string]("no start is recorded", "") }, want: is(Unknown, "running version: no start is recorded")},
		{name: "installed version unread", fault: func(f *facts.Facts) { f.Agent.Installed = facts.Unknown[string]("rpm: no answer in time", "") }, want: is(Unknown, "installed version: rpm: no answer in time")},
		{name: "processes unread, the unit runs", fault: func(f *facts.Facts) {
			f.Agent.Processes = facts.Unknown[facts.Processes]("permission denied", "file:/proc")
		}, want: is(Unknown, "processes: permission denied")},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: is(Unknown, "processes: not looked at")},
	}
	judge(t, AgentRunningVersion, table)
	judgeUnread(t, AgentRunningVersion, table)
}
