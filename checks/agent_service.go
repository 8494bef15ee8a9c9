package checks

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// exitReboot is the agent's exit code for "reboot the machine"; its unit lists it
// under RestartPreventExitStatus.
// Source: AWS Systems Manager User Guide, "Handling reboots when running commands".
const exitReboot = 194

// delayedStart is how long after the boot Windows may not yet have started a delayed
// service: two minutes after the last of the others, unless set otherwise.
// Source: Microsoft, "Automatic (Delayed Start)", AutoStartDelay.
const delayedStart = 5 * time.Minute

// AgentService is agent-service.
var AgentService = register(Check{
	ID: "agent-service", Group: "agent", Title: "The agent's service is enabled and running",
	Station:  AtAgent,
	Needs:    []*Check{AgentExec, AgentMemory, AgentConfig, ImdsAtBoot, WindowsImageState},
	Profiles: []Profile{ProfileHost, ProfileImage},
	Causes:   []string{"agent-service-stopped"},
	Doc: "State of the agent's unit as its service manager reports it: running, stopped, disabled, masked, how it ended last, and whether the manager starts it again. " +
		"Also whether a service that runs starts at the next boot, and whether its processes are held: stopped by a signal or a debugger, or frozen. A service that keeps failing by itself is judged by agent-stable.",
	Eval: func(n *node.Node) Finding {
		if fd, ok := judgeHeld(n); ok {
			return fd
		}
		switch u := n.Agent.Unit; {
		case n.Agent.Installed == node.No:
			return skip("no agent is installed")
		case u == nil:
			return judgeWithoutUnit(n)
		case !n.Facts.Live():
			return judgeImageUnit(n, u)
		case u.Active == "active" || u.Active == "reloading":
			return judgeBoot(n, u)
		default:
			return judgeUnit(n, u)
		}
	},
})

// judgeHeld judges an agent whose processes exist and do not run on. Its service manager
// calls such a service active, and its connections stand until the other side drops them.
func judgeHeld(n *node.Node) (Finding, bool) {
	p := n.Facts.Agent.Processes.Value
	var ids, names []string
	how := ""
	var fd Finding
	for _, x := range slices.Concat(p.Core, p.Worker) {
		if x.Held == "" {
			continue
		}
		how = x.Held
		ids, names = append(ids, strconv.Itoa(x.PID)), append(names, path.Base(x.Exe))
		fd = fd.saw(fmt.Sprintf("process %d %s", x.PID, path.Base(x.Exe)), map[string]string{
			facts.HeldBySignal: "stopped (state T)", facts.HeldByDebugger: "stopped by a debugger (state t)", facts.HeldByFreezer: "its control group is frozen"}[x.Held], n.Facts.Agent.Processes.From)
	}
	if how == "" || !n.Facts.Live() {
		return Finding{}, false
	}
	on := func(text, command string) causes.Step {
		return causes.Step{Text: text, Command: command, Where: causes.OnHost, Root: true, GOOS: "linux"}
	}
	step, by := on("Let it run on", "kill -CONT "+strings.Join(ids, " ")), "a signal (SIGSTOP)"
	switch how {
	case facts.HeldByDebugger:
		step, by = on("End the debugger that is attached to it, or restart the agent", "{restart}"), "a debugger"
	case facts.HeldByFreezer:
		step, by = on("Let it run on", "systemctl thaw {unit}"), "the freezer of its control group"
	}
	seen := fd.Evidence
	fd = stops(n, "agent-service-stopped", Proven, "the agent is held by %s, and does nothing: %s", by, strings.Join(names, " and "))
	fd.Evidence = seen
	if u := n.Agent.Unit; u != nil {
		fd = fd.with("unit", u.Name)
	}
	return fd.fix(step, causes.Again).standing(), true
}

// judgeUnit judges a service that does not run. One that was told not to run, or that
// something else ended, stands for itself; one that only stopped may have stopped for a
// reason that others name.
func judgeUnit(n *node.Node, u *facts.Unit) Finding {
	state := text.New("%s (%s), %s", u.Active, u.Sub, u.Enabled)
	e := n.Ending()
	named := func(format string, a ...any) Finding {
		fd := stops(n, "agent-service-stopped", Proven, format, a...).
			sawAt("state of "+u.Name, state.String(), n.ServiceManager(u.Name), u.StoppedSince).with("unit", u.Name)
		if n.Agent.Core == node.Yes { // started by hand: it may be accepted, until the next boot
			fd = fd.as(Breaks).add("; an agent runs outside of this service").saw("process table", "amazon-ssm-agent runs", n.Facts.Agent.Processes.From)
		}
		return sawEnd(n, fd, u, e)
	}
	heldBack := u.ExitStatus == exitReboot && (u.Active == "failed" || u.Active == "inactive" && slices.Contains(u.NoRestart, exitReboot))
	switch {
	case u.Active == "" && n.Facts.Agent.Manager.Value == "sysv":
		return judgeScript(n, u)
	case u.Active == "":
		return unread("state of "+u.Name, n.Facts.Agent.Units)
	case u.Load == "masked" || u.Enabled == "masked" || u.Enabled == "masked-runtime":
		return named("%s is masked: it cannot be started", u.Name).standing()
	case u.Load == "bad-setting" || u.Load == "error":
		return named("systemd cannot use the unit %s: %s", u.Name, text.Or(u.LoadError, "its file is wrong")).standing().fix(repairUnit(n, u)...)
	case heldBack:
		return named("%s ended with code 194 (a command asked for a reboot that did not happen) and is kept from restarting", u.Name).standing()
	case u.Deleting:
		e := n.EndingByCode(node.MarkedForDeletion)
		return withEnd(named("%s is marked for deletion and does not run: %s", u.Name, e.Meaning), u, e).standing()
	case u.Active == "inactive" && u.Enabled == "disabled", n.Facts.Agent.Manager.Value == "scm" && u.Enabled == "disabled":
		return sawLaunch(n, named("%s is disabled and not running", u.Name)).standing()
	case u.Active == "activating" || u.Active == "start-pending":
		return unknown("%s is %s", u.Name, state) // agent-stable and others say why
	}
	if fd, ok := judgeDependency(n, u, named); ok {
		return fd
	}
	notes := n.Facts.Agent.Notes
	switch {
	case e.Class == node.EndSignal && n.KilledForMemory():
		return unknown("%s is %s: %s for lack of memory", u.Name, state, e.How) // agent-memory says so
	case e.Class == node.EndSignal && u.ExitStatus == 9 && notes.Obstacle() == facts.NeedsRoot:
		return unread("logs of the system", notes).add("; %s was %s, by somebody or for lack of memory", u.Name, e.How)
	case e.Class == node.EndCondition:
		fd := named("%s does not start: %s (%s)", u.Name, e.How, e.Meaning)
		if o, ok := onlySetting(u, isCondition); ok && u.Unmet && len(takeOut(o)) > 0 {
			return fd.add(": %s in %s", o.Key+"="+o.Value, o.File).saw("drop-in of "+u.Name, o.Key+"="+o.Value, "file:"+o.File).fix(takeOut(o)...).standing()
		}
		return withEnd(fd, u, e).standing()
	case e.Class == node.EndSignal && (e.Again != node.Yes || u.Active == "inactive"):
		fd := named("%s was %s: %s", u.Name, e.How, e.Meaning)
		if e.Again == node.No {
			fd = fd.add("; %s", e.NotAgain)
		}
		return withEnd(fd, u, e).standing()
	case e.Class == node.EndTimeout, n.Facts.Agent.Manager.Value != "systemd" && e.Class == node.EndSetup:
		word := u.Active
		if n.Facts.Agent.Manager.Value == "scm" {
			word = u.Sub // the service manager's own
		}
		return withEnd(overriding(named("%s is %s: %s (%s)", u.Name, word, e.How, e.Meaning), u, e.Meaning), u, e).standing()
	case e.Class == node.EndCrash && (u.Active != "failed" || n.Facts.Agent.Manager.Value == "scm"), e.Class == node.EndExec, e.Class == node.EndMissing, e.Class == node.EndMemory:
		return unknown("%s is %s: %s", u.Name, state, e.How) // others say why
	case u.Active == "inactive" && endedByItself(n).Yes():
		return unknown("%s is stopped (%s): the agent ended its last start itself", u.Name, state) // agent-stable says why
	case u.Active == "inactive" && (e.Class == node.EndClean || e.Class == "") && e.Again != node.No && n.Log.Read() != node.Yes:
		return unreadLog(n).add("; %s is stopped, by somebody or since the agent could not start", u.Name)
	case u.Active == "inactive" || u.Active == "deactivating":
		fd := named("%s is stopped (%s)", u.Name, state)
		if e.Again == node.No && !e.NotAgain.IsZero() {
			fd = fd.add("; %s", e.NotAgain)
		}
		return withEnd(fd, u, e)
	case strings.HasPrefix(u.Active, "stop"), u.Active == "paused":
		fd := named("the service %s is %s", u.Name, u.Active)
		if boot, ok := n.Facts.Host.BootTime.Get(); u.Delayed && ok && n.Age(boot) < delayedStart {
			fd = fd.add("; Windows starts it some minutes after the other services, and was booted %s", n.Ago(boot))
		}
		return withEnd(fd, u, e)
	}
	// failed: agent-stable and others say why.
	return unknown("%s is %s", u.Name, state)
}

// judgeScript judges a service of System V init, of which only the process table tells
// whether it runs.
func judgeScript(n *node.Node, u *facts.Unit) Finding {
	switch {
	case n.Agent.Core == node.Unknown:
		return unread("processes", n.Facts.Agent.Processes)
	case n.Agent.Core == node.Yes && u.Enabled == "enabled":
		return pass("the agent runs, and %s starts it at boot", u.File)
	case n.Agent.Core == node.Yes:
		return breaks("agent-service-stopped", Proven, "the agent runs, but no run level starts %s: it will not start at the next boot", u.File).
			saw("run levels", "no link to "+u.File, n.Facts.Agent.Units.From).with("unit", u.Name).fix(causes.EnableAtBoot, causes.Again).standing()
	}
	return stops(n, "agent-service-stopped", Proven, "the agent's service %s does not run", u.File).
		saw("process table", "no amazon-ssm-agent", n.Facts.Agent.Processes.From).with("unit", u.Name)
}

// judgeDependency judges a service that another one keeps from running.
func judgeDependency(n *node.Node, u *facts.Unit, named func(string, ...any) Finding) (Finding, bool) {
	d, ok := n.LatestNote(facts.NoteDependency)
	if !ok || u.Active != "inactive" || !u.StartedAt.IsZero() && d.At.Before(u.StartedAt) || isPast(n, d.At) {
		return Finding{}, false
	}
	fd := named("%s did not start: a unit that it needs failed", u.Name).sawAt("log of the system", d.Text, d.From, d.At).standing()
	if o, ok := onlySetting(u, isNeed); ok {
		if out := takeOut(o); out != nil {
			return fd.add("; %s in %s, which is not of its package, has it need one", o.Key+"="+o.Value, o.File).saw(o.File, o.Key+"="+o.Value, "file:"+o.File).fix(out...).
				fix(causes.Step{Text: "Where the agent is meant to wait for that unit, mend it instead, and leave the setting", Command: "systemctl --failed", Where: causes.OnHost, GOOS: "linux"}, causes.Again), true
		}
	}
	return fd.fix(
		causes.Step{Text: "Check which unit that is, and mend it", Command: "systemctl list-dependencies {unit}; systemctl --failed", Where: causes.OnHost, GOOS: "linux"},
		causes.Step{Text: "Then start the agent", Command: "{start}", Where: causes.OnHost, Root: true}).fix(causes.Again), true
}

// withEnd puts the steps of an end before those of the catalogue, of which the first
// enables and starts the service: not needed where it is enabled and was started.
func withEnd(fd Finding, u *facts.Unit, e node.Ending) Finding {
	if len(e.Do) == 0 {
		return fd
	}
	usual := causes.Get(fd.Cause).Fix
	own := endSteps(u, e)
	if last := own[len(own)-1].Command; u.Enabled == "enabled" && strings.Contains(last, "start {unit}") {
		usual = usual[1:]
	}
	return fd.fix(own...).fix(usual...)
}

// repairUnit replaces a file of a unit that the manager cannot use.
func repairUnit(n *node.Node, u *facts.Unit) []causes.Step {
	steps := []causes.Step{{Text: "Let systemd name the line that is wrong", Command: "systemd-analyze verify {unit}; systemctl cat {unit}", Where: causes.OnHost, GOOS: "linux"}}
	if len(u.Overrides) > 0 {
		steps = append(steps, causes.Step{Text: "Correct the drop-in, or remove it", Command: "systemctl edit {unit}", Where: causes.OnHost, Root: true, GOOS: "linux"})
	} else {
		steps = append(steps, causes.RepairAgent)
	}
	return append(steps, causes.Get("agent-service-stopped").Fix...)
}

// judgeBoot judges a service that runs: whether it will at the next boot.
func judgeBoot(n *node.Node, u *facts.Unit) Finding {
	why, steps := "", []causes.Step{causes.EnableAtBoot}
	if u.Deleting {
		e := n.EndingByCode(node.MarkedForDeletion)
		return breaks("agent-service-stopped", Proven, "%s runs but is marked for deletion: it is gone once it stops, at the latest at the next boot", u.Name).
			saw("state of "+u.Name, u.Active+" ("+u.Sub+"), marked for deletion", n.ServiceManager(u.Name)).
			with("unit", u.Name).fix(endSteps(u, e)...).fix(causes.Again).standing()
	}
	switch u.Enabled {
	case "disabled", "linked", "linked-runtime", "manual":
		why = "is " + u.Enabled
		if u.Enabled != "disabled" {
			why = "is not enabled (" + u.Enabled + ")"
		}
	case "masked", "masked-runtime":
		why = "is masked"
	case "enabled-runtime":
		why = "is enabled until the next boot only"
	case "static", "indirect":
		// Only where systemd was asked for what starts it.
		if n.Facts.Agent.Units.From == "systemctl show" && u.Restart != "" {
			why, steps = "cannot be enabled ("+u.Enabled+"), and nothing starts it at boot", []causes.Step{causes.EnableStatic}
		}
	}
	if why == "" || len(u.StartedBy) > 0 {
		return pass("%s is %s (%s), %s", u.Name, u.Active, u.Sub, u.Enabled)
	}
	return breaks("agent-service-stopped", Proven, "%s runs but %s: it will not start at the next boot", u.Name, why).
		saw("state of "+u.Name, fmt.Sprintf("%s (%s), %s", u.Active, u.Sub, u.Enabled), n.ServiceManager(u.Name)).
		with("unit", u.Name).fix(steps...).fix(causes.Again).standing()
}

// judgeImageUnit judges the service of a mounted image.
func judgeImageUnit(n *node.Node, u *facts.Unit) Finding {
	if u.Enabled == "enabled" || u.Enabled == "static" {
		return pass("%s starts at boot", u.Name)
	}
	enabled := text.Or(u.Enabled, "not enabled")
	if by := startedByLaunch(n); by != "" {
		return pass("%s is %s; %s starts it when setup of a new machine is done", u.Name, enabled, by)
	}
	return stops(n, "agent-service-stopped", Proven, "%s is %s and will not start at boot", u.Name, enabled).
		saw("unit "+u.Name, enabled, "file:"+u.File).with("unit", u.Name)
}

// judgeWithoutUnit judges a host without a service manager or without a unit.
func judgeWithoutUnit(n *node.Node) Finding {
	a := n.Facts.Agent
	switch {
	case a.Manager.Unknown():
		return unread("service manager", a.Manager)
	case n.Agent.HasUnit == node.Unknown:
		return unread("service units", a.Units)
	case n.Agent.Core == node.Yes:
		return pass("the agent runs without a service manager")
	case n.Agent.Core == node.Unknown && n.Facts.Live():
		return unread("processes", a.Processes)
	case n.Agent.Core == node.No && n.Facts.Live() && len(a.Installations.Some()) > 0 && n.Identity.InECS == node.No:
		fd := stops(n, "agent-service-stopped", Proven, "the agent is installed but does not run, and no service starts it").
			saw("process table", "no amazon-ssm-agent", a.Processes.From)
		if m := a.Manager.Value; m == "systemd" || m == "scm" { // there is nothing that could be enabled
			missing := "its unit file is missing"
			if m == "scm" {
				missing = "its service is not registered with Windows"
			}
			fd = fd.say("the agent is installed but does not run: %s", missing).fix(causes.RepairAgent).fix(causes.Get(fd.Cause).Fix...)
			for _, u := range a.Units.Some() {
				fd = fd.saw(n.ShowUnit(u.Name), text.Or(u.Load, "not-found"), n.ServiceManager(u.Name))
			}
		}
		return withOthers(n, fd)
	}
	return unknown("no unit of the agent was found")
}
