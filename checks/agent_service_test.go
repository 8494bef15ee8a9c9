package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// serviceIs gives the agent's unit a state in which it does not run.
func serviceIs(change func(*facts.Unit)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
		u := &f.Agent.Units.Value[0]
		u.Active, u.Sub = "inactive", "dead"
		change(u)
	}
}

// serviceNone takes the service manager away, and the processes if there are none.
func serviceNone(runs bool) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Agent.Manager = facts.Absent[string]("no systemctl on this host", "")
		f.Agent.Units = facts.Absent[[]facts.Unit]("no systemctl on this host", "")
		if !runs {
			neverAccepted(f)
			f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
		}
	}
}

// serviceScript is a host with OpenRC or System V init.
func serviceScript(manager, active, enabled string, runs bool) func(*facts.Facts) {
	return func(f *facts.Facts) {
		serviceNone(runs)(f)
		f.Agent.Manager = facts.Known(manager, "file:/etc/init.d/amazon-ssm-agent")
		f.Agent.Units = facts.Known([]facts.Unit{{Name: "amazon-ssm-agent", Load: "loaded", File: "/etc/init.d/amazon-ssm-agent", Active: active, Enabled: enabled}}, "file:/etc/init.d/amazon-ssm-agent")
	}
}

// serviceHeld holds the core of the agent.
func serviceHeld(by string) func(*facts.Facts) {
	return func(f *facts.Facts) { f.Agent.Processes.Value.Core[0].Held = by }
}

// TestHeldSteps: what holds the agent decides what lets it run on.
func TestHeldSteps(t *testing.T) {
	t.Parallel()
	for by, command := range map[string]string{facts.HeldBySignal: "kill -CONT 4242", facts.HeldByDebugger: "{restart}", facts.HeldByFreezer: "systemctl thaw {unit}"} {
		f := factstest.Healthy(t, "profile")
		serviceHeld(by)(f)
		f.Agent.Processes.Value.Core[0].PID = 4242
		if fix := AgentService.Judge(node.Of(f)).Fix; len(fix) != 2 || fix[0].Command != command {
			t.Errorf("%s: %+v", by, fix)
		}
	}
}

func TestAgentService(t *testing.T) {
	t.Parallel()
	all := func(faults ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, fault := range faults {
				fault(f)
			}
		}
	}
	stop := serviceIs(func(*facts.Unit) {})
	outside := func(change func(*facts.Unit)) func(*facts.Facts) { // an agent that was started by hand
		return func(f *facts.Facts) {
			runs := f.Agent.Processes
			serviceIs(change)(f)
			f.Agent.Processes = runs
		}
	}
	image := func(enabled string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Root = "/mnt/image"
			f.Agent.Processes = facts.Unknown[facts.Processes]("not a running system", "").Because(facts.NotAskable)
			u := &f.Agent.Units.Value[0]
			u.Active, u.Sub, u.Enabled = "", "", enabled
		}
	}
	named := func(says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "agent-service-stopped", confidence: Proven, says: says, saw: saw}
	}
	breaks := func(says, saw string) want {
		return want{status: Warn, effect: Breaks, cause: "agent-service-stopped", confidence: Proven, says: says, saw: saw}
	}
	ended := func(active, how string, status int, restart, result string) func(*facts.Facts) {
		return serviceIs(func(u *facts.Unit) {
			u.Active, u.Sub, u.Ended, u.ExitStatus, u.Restart, u.Result = active, "dead", how, status, restart, result
		})
	}
	runs := func(enabled string, by ...string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Agent.Units.Value[0].Enabled, f.Agent.Units.Value[0].StartedBy = enabled, by
		}
	}
	windows := func(code int, enabled string) func(*facts.Facts) {
		return serviceIs(func(u *facts.Unit) {
			u.Active, u.Sub, u.Enabled, u.Result, u.Ended, u.ExitStatus = "failed", "stopped", enabled, "exit-code", "scm", code
		})
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	unit := "amazon-ssm-agent.service"
	table := []row{
		{name: "profile", want: is(Pass, unit+" is active (running), enabled")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "")},
		{name: "windows", kind: "windows", want: is(Pass, "AmazonSSMAgent is active")},
		{name: "task", kind: "task", want: is(Pass, "the agent runs without a service manager")},
		{name: "stopped by a signal", fault: serviceHeld(facts.HeldBySignal), want: want{status: Warn, effect: Breaks, cause: "agent-service-stopped", confidence: Proven, says: "the agent is held by a signal (SIGSTOP), and does nothing: amazon-ssm-agent", saw: "stopped (state T)"}},
		{name: "stopped by a signal, accepted no longer", fault: all(neverAccepted, serviceHeld(facts.HeldBySignal)), want: want{status: Fail, effect: Blocks, cause: "agent-service-stopped", confidence: Proven, says: "held by a signal"}},
		{name: "in a debugger", fault: serviceHeld(facts.HeldByDebugger), want: want{status: Warn, effect: Breaks, cause: "agent-service-stopped", confidence: Proven, says: "held by a debugger"}},
		{name: "frozen", fault: serviceHeld(facts.HeldByFreezer), want: want{status: Warn, effect: Breaks, cause: "agent-service-stopped", confidence: Proven, says: "held by the freezer of its control group"}},
		{name: "nothing installed", fault: all(stop, func(f *facts.Facts) {
			f.Agent.Installations = facts.Known([]facts.Installation{}, "package databases")
		}), want: is(Skip, "no agent is installed")},

		{name: "runs, but disabled", fault: func(f *facts.Facts) { f.Agent.Units.Value[0].Enabled = "disabled" }, want: breaks(unit+" runs but is disabled: it will not start at the next boot", "state of "+unit+": active (running), disabled")},
		{name: "runs, disabled, another unit starts it", fault: runs("disabled", "cloud-init.target"), want: is(Pass, unit+" is active (running), disabled")},
		{name: "runs, masked since", fault: runs("masked"), want: breaks("runs but is masked: it will not start at the next boot", "")},
		{name: "runs, linked", fault: runs("linked"), want: breaks("runs but is not enabled (linked)", "")},
		{name: "runs, enabled until the next boot", fault: runs("enabled-runtime"), want: breaks("runs but is enabled until the next boot only", "")},
		{name: "runs, static, nothing starts it", fault: runs("static"), want: breaks("runs but cannot be enabled (static), and nothing starts it at boot", "")},
		{name: "runs, static, something starts it", fault: runs("static", "multi-user.target"), want: is(Pass, "")},
		{name: "runs, started by hand on Windows", kind: "windows", fault: runs("manual"), want: breaks("AmazonSSMAgent runs but is not enabled (manual)", "")},

		{name: "hung up", fault: ended("inactive", "killed", 1, "on-failure", "success"), want: named(unit+" was killed by signal 1 (HUP): a terminal or session that it belonged to ended", "Restart of "+unit+": on-failure")},
		{name: "hung up, and why not started again", fault: ended("inactive", "killed", 1, "on-failure", "success"), want: named("; Restart=on-failure takes this signal for a clean end", "last end of "+unit+": killed by signal 1 (HUP)")},
		{name: "killed, Restart=no", fault: ended("failed", "killed", 9, "no", "signal"), want: named("was killed by signal 9 (KILL): kill -9", "")},
		{name: "terminated", fault: ended("inactive", "killed", 15, "no", "success"), want: named("was killed by signal 15 (TERM)", "")},
		{name: "stopped by somebody", fault: ended("inactive", "exited", 0, "always", "success"), want: named("is stopped (inactive (dead), enabled); somebody or something told systemd to stop it", "")},
		{name: "a crash", fault: ended("failed", "dumped", 11, "no", "core-dump"), want: is(Unknown, "")},
		{name: "timed out", fault: ended("failed", "killed", 15, "no", "timeout"), want: named("is failed: killed by signal 15 (TERM), and systemd says timeout", "")},
		{name: "a condition", fault: ended("inactive", "", 0, "always", "exec-condition"), want: named("does not start: systemd says exec-condition", "")},
		{name: "a unit file that cannot be used", fault: serviceIs(func(u *facts.Unit) {
			u.Load, u.LoadError = "bad-setting", "Unit amazon-ssm-agent.service has a bad unit file setting."
		}), want: named("systemd cannot use the unit "+unit+": Unit amazon-ssm-agent.service has a bad unit file setting.", "")},
		{name: "a dependency", fault: all(stop, func(f *facts.Facts) {
			f.Agent.Units.Value[0].StartedAt = time.Time{}
			f.Agent.Notes = facts.Known([]facts.SystemNote{{Kind: facts.NoteDependency, At: f.CollectedAt.Add(-time.Minute), Text: "systemd[1]: Dependency failed for amazon-ssm-agent.", From: "file:/var/log/messages"}}, "")
		}), want: named(unit+" did not start: a unit that it needs failed", "log of the system: systemd[1]: Dependency failed")},
		{name: "no answer in time on Windows", kind: "windows", fault: windows(1053, "enabled"), want: named("AmazonSSMAgent is stopped: exit code 1053 (SERVICE_REQUEST_TIMEOUT) (it did not answer the service manager in time", "")},
		{name: "no log-on on Windows", kind: "windows", fault: windows(1069, "enabled"), want: named("exit code 1069 (SERVICE_LOGON_FAILED)", "")},
		{name: "a dependency on Windows", kind: "windows", fault: windows(1068, "enabled"), want: named("exit code 1068 (SERVICE_DEPENDENCY_FAIL)", "")},
		{name: "marked for deletion on Windows", kind: "windows", fault: serviceIs(func(u *facts.Unit) { u.Active, u.Sub, u.Deleting = "stopped", "stopped", true }), want: named("AmazonSSMAgent is marked for deletion and does not run", "")},
		{name: "marked for deletion and runs, on Windows", kind: "windows", fault: func(f *facts.Facts) { f.Agent.Units.Value[0].Deleting = true }, want: breaks("AmazonSSMAgent runs but is marked for deletion", "marked for deletion")},
		{name: "delayed and just booted, on Windows", kind: "windows", fault: serviceIs(func(u *facts.Unit) { u.Active, u.Sub, u.Delayed = "stopped", "stopped", true }), want: named("the service AmazonSSMAgent is stopped", "")},
		{name: "gave up its start, on Windows", kind: "windows", fault: serviceIs(func(u *facts.Unit) {
			u.Active, u.Sub, u.Result, u.Ended, u.ExitStatus = "failed", "stopped", "exit-code", "exited", 1
		}), want: is(Unknown, "AmazonSSMAgent is failed (stopped), enabled")},
		{name: "not registered with Windows", kind: "windows", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Agent.Processes = facts.Known(facts.Processes{}, "toolhelp snapshot")
			f.Agent.Units = facts.Known([]facts.Unit{{Name: "AmazonSSMAgent", Load: "not-found"}}, "scm:AmazonSSMAgent")
		}, want: named("the agent is installed but does not run: its service is not registered with Windows", "process table: no amazon-ssm-agent")},
		{name: "disabled on Windows", kind: "windows", fault: windows(1077, "disabled"), want: named("AmazonSSMAgent is disabled and not running", "")},
		{name: "disabled on Windows, and its log", kind: "windows", fault: func(f *facts.Facts) {
			windows(1077, "disabled")(f)
			f.Agent.Notes = facts.Known([]facts.SystemNote{{Kind: facts.NoteChanged, At: f.CollectedAt.Add(-time.Hour), Text: "event 7040: start type of the service changed", From: "event log:System"}, {Kind: facts.NoteStopped, Text: "event 7036: service is stopped", From: "event log:System"}}, "")
		}, want: named("AmazonSSMAgent is disabled and not running", "log of the system: event 7040: start type of the service changed (event log:System)")},
		{name: "no answer in time on Windows, and its log", kind: "windows", fault: func(f *facts.Facts) {
			windows(1053, "enabled")(f)
			f.Agent.Notes = facts.Known([]facts.SystemNote{{Kind: facts.NoteTimeout, At: f.CollectedAt.Add(-time.Hour), Text: "event 7009: service start timed out", From: "event log:System"}}, "")
		}, want: named("exit code 1053", "log of the system: event 7009: service start timed out")},
		{name: "a crash on Windows", kind: "windows", fault: windows(1067, "enabled"), want: is(Unknown, "exit code 1067 (PROCESS_ABORTED)")},
		{name: "the unit file is missing", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
			f.Agent.Units.Value = f.Agent.Units.Value[1:]
		}, want: named("the agent is installed but does not run: its unit file is missing", "")},

		{name: "stopped", fault: stop, want: named(unit+" is stopped (inactive (dead), enabled)", "state of "+unit+": inactive (dead), enabled (systemd:"+unit+")")},
		{name: "disabled", fault: serviceIs(func(u *facts.Unit) { u.Enabled = "disabled" }), want: named(unit+" is disabled and not running", "")},
		{name: "stopped, and an agent runs outside of it", fault: outside(func(*facts.Unit) {}),
			want: want{status: Warn, effect: Breaks, cause: "agent-service-stopped", says: "; an agent runs outside of this service", saw: "process table: amazon-ssm-agent runs"}},
		{name: "disabled, and an agent runs outside of it", fault: outside(func(u *facts.Unit) { u.Enabled = "disabled" }),
			want: want{status: Warn, effect: Breaks, cause: "agent-service-stopped", says: "is disabled and not running; an agent runs outside of this service"}},
		{name: "masked", fault: serviceIs(func(u *facts.Unit) { u.Load = "masked" }), want: named(unit+" is masked: it cannot be started", "")},
		{name: "ended", fault: serviceIs(func(u *facts.Unit) { u.ExitStatus = 1 }), want: named("is stopped", "last end of "+unit+": exit status 1 (systemd:"+unit+")")},
		{name: "held back after a reboot code", fault: serviceIs(func(u *facts.Unit) { u.ExitStatus = 194 }), want: named("ended with code 194 (a command asked for a reboot that did not happen) and is kept from restarting", "status 194")},
		{name: "failed with a reboot code", fault: serviceIs(func(u *facts.Unit) { u.Active, u.ExitStatus, u.NoRestart = "failed", 194, nil }), want: named("ended with code 194", "")},
		{name: "ended with a reboot code that does not hold it back", fault: serviceIs(func(u *facts.Unit) { u.ExitStatus, u.NoRestart = 194, nil }), want: named("is stopped", "status 194")},
		{name: "stopping", fault: serviceIs(func(u *facts.Unit) { u.Active = "stop-pending" }), want: named("the service "+unit+" is stop-pending", "")},
		{name: "paused on Windows", kind: "windows", fault: serviceIs(func(u *facts.Unit) { u.Active, u.Sub = "paused", "paused" }), want: named("the service AmazonSSMAgent is paused", "state of AmazonSSMAgent: paused (paused), enabled (scm:AmazonSSMAgent)")},
		{name: "failed", fault: serviceIs(func(u *facts.Unit) { u.Active, u.Sub = "failed", "failed" }), want: is(Unknown, unit+" is failed (failed), enabled")},
		{name: "its state not known", fault: all(stop, func(f *facts.Facts) {
			f.Agent.Units.Value[0].Active, f.Agent.Units.Value[0].Sub = "", ""
			f.Agent.Units = facts.Partly(f.Agent.Units.Value, "no answer in time", "unit files")
		}), want: is(Unknown, "state of "+unit+": no answer in time")},

		{name: "an image", fault: image("enabled"), want: is(Pass, unit+" starts at boot")},
		{name: "an image, started by another unit", fault: image("static"), want: is(Pass, "starts at boot")},
		{name: "an image, disabled", fault: image("disabled"), want: named(unit+" is disabled and will not start at boot", "unit "+unit+": disabled (file:/usr/lib/systemd/system/amazon-ssm-agent.service)")},
		{name: "an image, not enabled", fault: image(""), want: named(unit+" is not enabled and will not start at boot", "")},

		{name: "System V, runs", fault: serviceScript("sysv", "", "enabled", true), want: is(Pass, "the agent runs, and /etc/init.d/amazon-ssm-agent starts it at boot")},
		{name: "System V, runs, not enabled", fault: serviceScript("sysv", "", "disabled", true), want: breaks("it will not start at the next boot", "run levels: no link")},
		{name: "System V, stopped", fault: serviceScript("sysv", "", "enabled", false), want: named("the agent's service /etc/init.d/amazon-ssm-agent does not run", "process table: no amazon-ssm-agent")},
		{name: "OpenRC, stopped", fault: serviceScript("openrc", "inactive", "enabled", false), want: named("amazon-ssm-agent is stopped", "")},
		{name: "OpenRC, runs, not enabled", fault: serviceScript("openrc", "active", "disabled", true), want: breaks("amazon-ssm-agent runs but is disabled", "")},

		{name: "no service manager, runs", fault: serviceNone(true), want: is(Pass, "the agent runs without a service manager")},
		{name: "no service manager", fault: serviceNone(false), want: named("the agent is installed but does not run, and no service starts it", "process table: no amazon-ssm-agent (file:/proc)")},
		{name: "no service manager, in a task", kind: "task", fault: all(serviceNone(false), func(f *facts.Facts) {
			f.Agent.Installations = facts.Known([]facts.Installation{{Kind: "managed"}}, "")
		}), want: is(Unknown, "no unit of the agent was found")},
		{name: "no service manager, a task or not", fault: all(serviceNone(false), func(f *facts.Facts) { f.ECS = facts.ECS{} }), want: is(Unknown, "no unit of the agent was found")},
		{name: "no service manager, processes unread", fault: all(serviceNone(true), func(f *facts.Facts) {
			f.Agent.Processes = facts.Unknown[facts.Processes]("permission denied", "file:/proc")
		}), want: is(Unknown, "processes: permission denied")},
		{name: "service manager unread", fault: func(f *facts.Facts) {
			f.Agent.Manager = facts.Unknown[string]("no answer in time", "")
			f.Agent.Units = facts.Unknown[[]facts.Unit]("no answer in time", "")
		}, want: is(Unknown, "service manager: no answer in time")},
		{name: "units unread", fault: func(f *facts.Facts) {
			f.Agent.Manager = facts.Known("upstart", "file:/etc/init/amazon-ssm-agent.conf")
			f.Agent.Units = facts.Unknown[[]facts.Unit]("upstart is not asked for the state of its jobs", "")
		}, want: is(Unknown, "service units: upstart is not asked")},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: is(Unknown, "service manager: not looked at")},
	}
	judge(t, AgentService, table)
	judgeUnread(t, AgentService, table)
}

// TestAgentServiceStands: a service that somebody switched off stands for itself; one
// that only stopped may have stopped for a reason that another check names.
func TestAgentServiceStands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*facts.Unit)
		stands bool
	}{
		{"stopped", func(*facts.Unit) {}, false},
		{"disabled", func(u *facts.Unit) { u.Enabled = "disabled" }, true},
		{"masked", func(u *facts.Unit) { u.Enabled = "masked" }, true},
		{"reboot code", func(u *facts.Unit) { u.ExitStatus = 194 }, true},
	} {
		f := factstest.Healthy(t, "profile")
		serviceIs(c.change)(f)
		if fd := AgentService.Judge(node.Of(f)); fd.Stands != c.stands || fd.Values["unit"] != "amazon-ssm-agent.service" {
			t.Errorf("%s: stands %v, unit %q", c.name, fd.Stands, fd.Values["unit"])
		}
	}
}
