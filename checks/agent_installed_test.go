package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

// installedNothing is a host without any trace of an agent.
func installedNothing(f *facts.Facts) {
	neverAccepted(f)
	f.Agent.Installations = facts.Known([]facts.Installation{}, "package databases")
	f.Agent.Installed = facts.Absent[string]("no installation was found", "")
	f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
	f.Agent.Units.Value[0] = facts.Unit{Name: "amazon-ssm-agent.service", Load: "not-found", Active: "inactive"}
}

func TestAgentInstalled(t *testing.T) {
	t.Parallel()
	image := func(f *facts.Facts) {
		f.Root = "/mnt/image"
		f.ECS = facts.ECS{}
		f.Agent.Processes = facts.Unknown[facts.Processes]("not a running system", "").Because(facts.NotAskable)
	}
	const cause = "agent-not-installed"
	missing := want{status: Fail, effect: Blocks, cause: cause, confidence: Proven, says: "no SSM Agent is installed: no "}
	with := func(saw, value string) want { w := missing; w.saw, w.value = saw, value; return w }
	table := []row{
		{name: "profile", want: want{status: Pass, says: "rpm 3.3.3050.0 in /usr/bin"}},
		{name: "dhmc", kind: "dhmc", want: want{status: Pass}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass}},
		{name: "windows", kind: "windows", want: want{status: Pass, says: "windows 3.3.3050.0 in /Program Files/Amazon/SSM"}},
		{name: "task", kind: "task", want: want{status: Skip, says: "in an ECS task the agent comes with execute-command"}},
		{name: "two", fault: func(f *facts.Facts) {
			f.Agent.Installations.Value = append(f.Agent.Installations.Value, facts.Installation{Kind: "snap", Dir: "/snap/amazon-ssm-agent/current"})
		}, want: want{status: Pass, says: "rpm 3.3.3050.0 in /usr/bin; snap version unknown in /snap/amazon-ssm-agent/current"}},
		{name: "at an unusual place", fault: func(f *facts.Facts) { f.Agent.Installations = facts.Known([]facts.Installation{}, "package databases") }, want: want{status: Pass, says: "unusual place"}},

		{name: "none", fault: installedNothing, want: with("package databases and the known places: no amazon-ssm-agent (package databases)", "package=amzn")},
		{name: "none, and no unit", fault: installedNothing, want: with("systemctl show amazon-ssm-agent.service: not-found (systemd:amazon-ssm-agent.service)", "")},
		{name: "none on Windows", kind: "windows", fault: installedNothing, want: missing},
		{name: "none in an image", fault: func(f *facts.Facts) {
			installedNothing(f)
			image(f)
		}, want: missing},
		{name: "in an image", fault: image, want: want{status: Pass, says: "rpm 3.3.3050.0"}},

		{name: "installations unread", fault: func(f *facts.Facts) {
			installedNothing(f)
			f.Agent.Installations = facts.Unknown[[]facts.Installation]("/var/lib/dpkg/status: permission denied", "")
		}, want: want{status: Unknown, says: "installations: /var/lib/dpkg/status: permission denied"}},
		{name: "one found, others unread", fault: func(f *facts.Facts) {
			f.Agent.Installations = facts.Partly(f.Agent.Installations.Value, "permission denied", "")
		}, want: want{status: Pass, says: "rpm 3.3.3050.0"}},
		{name: "processes unread", fault: func(f *facts.Facts) {
			installedNothing(f)
			f.Agent.Processes = facts.Unknown[facts.Processes]("permission denied", "file:/proc")
			f.Agent.Units = facts.Absent[[]facts.Unit]("no systemctl on this host", "")
		}, want: want{status: Unknown, says: "processes: permission denied"}},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: want{status: Unknown, says: "installations: not looked at"}},
		{name: "a task or not", fault: func(f *facts.Facts) {
			installedNothing(f)
			f.ECS.Task = facts.Unknown[facts.ECSTask]("no answer in time", "")
		}, want: want{status: Unknown, says: "whether this is a task of Amazon ECS: no answer in time"}},
	}
	judge(t, AgentInstalled, table)
	judgeUnread(t, AgentInstalled, table)
}
