package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// launched gives a Windows a launch agent.
func launched(a facts.LaunchAgent) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Host.LaunchAgents = facts.Known([]facts.LaunchAgent{a}, "service manager and the folders of EC2Launch")
	}
}

// TestLaunchAgents: what a launch agent of EC2 did stands beside a wrong route, a service
// that is disabled and a setup that is not finished.
func TestLaunchAgents(t *testing.T) {
	t.Parallel()
	service := func(enabled string) facts.Seen[facts.Service] {
		return facts.Known(facts.Service{Active: "stopped", Enabled: enabled}, "scm:Amazon EC2Launch")
	}
	ran := func(f *facts.Facts, before time.Duration, failure string) facts.Seen[facts.LaunchRun] {
		return facts.Known(facts.LaunchRun{At: f.CollectedAt.Add(-before), Failure: failure, Routes: failure == ""}, "file:/ProgramData/Amazon/EC2Launch/log/agent.log")
	}
	wrong := func(more func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Host.GOOS = "windows"
			f.Host.BootTime = facts.Known(f.CollectedAt.Add(-time.Hour), "")
			imdsAll(imdsSilent, imdsRoute(facts.Route{Destination: "169.254.169.254/32", Gateway: "10.4.0.1", Kind: "unicast"}))(f)
			more(f)
		}
	}
	named := func(says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "imds-route-wrong", says: says, saw: saw}
	}
	judge(t, ImdsReachable, []row{
		{name: "disabled", fault: wrong(launched(facts.LaunchAgent{Kind: facts.LaunchV2, Service: service("disabled")})), want: named("EC2Launch v2, which sets the routes at each start, is disabled", "EC2Launch v2: its service is disabled (scm:Amazon EC2Launch)")},
		{name: "an error", fault: wrong(func(f *facts.Facts) {
			launched(facts.LaunchAgent{Kind: facts.LaunchV2, Service: service("enabled"), Run: ran(f, 30*time.Minute, "an error about its routes")})(f)
		}), want: named("", "EC2Launch v2: its service is enabled; its last run, 30 min ago, logged an error about its routes (file:/ProgramData/Amazon/EC2Launch/log/agent.log)")},
		{name: "not since the boot", fault: wrong(func(f *facts.Facts) {
			launched(facts.LaunchAgent{Kind: facts.LaunchV2, Run: ran(f, 50*time.Hour, "")})(f)
		}), want: named("", "EC2Launch v2: it has not run since the boot")},
		{name: "version 1, which runs once", fault: wrong(func(f *facts.Facts) {
			launched(facts.LaunchAgent{Kind: facts.LaunchV1, Scheduled: facts.Known(false, ""), Run: ran(f, 50*time.Hour, "")})(f)
		}), want: named("", "EC2Launch: no scheduled task runs it at the next start; it set the routes")},
		{name: "never ran here", fault: wrong(launched(facts.LaunchAgent{Kind: facts.LaunchV2, Run: facts.Absent[facts.LaunchRun]("no such file", "file:/x")})), want: named("", "EC2Launch v2: it has not run on this machine")},
		{name: "none", fault: wrong(func(f *facts.Facts) { f.Host.LaunchAgents = facts.Known([]facts.LaunchAgent{}, "folders") }), want: named("", "launch agent of EC2: none is installed (folders)")},
		{name: "unread", fault: wrong(func(f *facts.Facts) {
			f.Host.LaunchAgents = facts.Unknown[[]facts.LaunchAgent]("Access is denied.", "")
		}), want: named("", "")},
	})
	disabled := launched(facts.LaunchAgent{Kind: facts.LaunchV2, Service: service("disabled")})
	judge(t, AgentService, []row{{name: "disabled", kind: "windows", fault: func(f *facts.Facts) {
		neverAccepted(f)
		f.Agent.Processes = facts.Known(facts.Processes{}, "process list")
		u := &f.Agent.Units.Value[0]
		u.Active, u.Sub, u.Enabled = "stopped", "stopped", "disabled"
		disabled(f)
	}, want: want{status: Fail, effect: Blocks, cause: "agent-service-stopped", saw: "EC2Launch v2: its service is disabled"}}})
	judge(t, WindowsImageState, []row{{name: "waiting", kind: "windows", fault: func(f *facts.Facts) {
		neverAccepted(f)
		f.Host.ImageState.Value = "IMAGE_STATE_UNDEPLOYABLE"
		disabled(f)
	}, want: want{status: Fail, effect: Blocks, cause: "sysprep-incomplete", saw: "EC2Launch v2: its service is disabled"}}})
}

// TestNoLaunchAgentElsewhere: outside of EC2 a launch agent that is not installed is none
// that is missing.
func TestNoLaunchAgentElsewhere(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]int{"windows": 0, "profile": 1} {
		f := factstest.Healthy(t, kind)
		f.Host.LaunchAgents = facts.Known([]facts.LaunchAgent{}, "folders")
		if fd := sawLaunch(node.Of(f), Finding{}); len(fd.Evidence) != want {
			t.Errorf("%s: %+v", kind, fd.Evidence)
		}
	}
}
