package checks

import (
	"fmt"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// exitReboot is the agent's exit code for "reboot the machine"; its unit lists it
// under RestartPreventExitStatus.
// Source: AWS Systems Manager User Guide, "Handling reboots when running commands".
const exitReboot = 194

// AgentService is agent-service.
var AgentService = register(Check{
	ID: "agent-service", Group: "agent", Title: "The agent's service is enabled and running",
	Station:  AtAgent,
	Needs:    []*Check{AgentExec, AgentConfig, ImdsAtBoot, WindowsImageState},
	Profiles: []Profile{ProfileHost, ProfileImage},
	Causes:   []string{"agent-service-stopped"},
	Doc: "State of the agent's unit as its service manager tells it: running, stopped, disabled, masked, or held back from restarting after the agent's reboot code 194. " +
		"A service that keeps failing is judged by agent-stable.",
	Eval: func(n *node.Node) Finding {
		switch u := n.Agent.Unit; {
		case n.Agent.Installed == node.No:
			return skip("no agent is installed")
		case u == nil:
			return judgeWithoutUnit(n)
		case !n.Facts.Live():
			return judgeImageUnit(n, u)
		default:
			return judgeUnit(n, u)
		}
	},
})

// judgeUnit judges the service of a running host. One that was told not to run stands
// for itself; one that only stopped may have stopped for a reason that others name.
func judgeUnit(n *node.Node, u *facts.Unit) Finding {
	state := text.New("%s (%s), %s", u.Active, u.Sub, u.Enabled)
	named := func(format string, a ...any) Finding {
		from := n.ServiceManager(u.Name)
		fd := stops(n, "agent-service-stopped", Proven, format, a...).sawAt("state of "+u.Name, state.String(), from, u.StoppedSince).with("unit", u.Name)
		if u.ExitStatus != 0 {
			fd = fd.sawAt("last exit of "+u.Name, fmt.Sprintf("status %d", u.ExitStatus), from, u.ExitedAt)
		}
		return fd
	}
	heldBack := u.ExitStatus == exitReboot && (u.Active == "failed" || u.Active == "inactive" && slices.Contains(u.NoRestart, exitReboot))
	switch {
	case u.Active == "active" || u.Active == "reloading":
		if u.Enabled == "disabled" {
			return warns("%s runs but is disabled: it will not start at the next boot", u.Name)
		}
		return pass("%s is %s", u.Name, state)
	case u.Load == "masked" || u.Enabled == "masked":
		return named("%s is masked: it cannot be started", u.Name).standing()
	case heldBack:
		return named("%s ended with code 194 (a command asked for a reboot that did not happen) and is kept from restarting", u.Name).standing()
	case u.Active == "inactive" && u.Enabled == "disabled":
		return named("%s is disabled and not running", u.Name).standing()
	case u.Active == "inactive" || u.Active == "deactivating":
		return named("%s is stopped (%s)", u.Name, state)
	case strings.HasPrefix(u.Active, "stop"), u.Active == "paused":
		return named("the service %s is %s", u.Name, u.Active)
	}
	if u.Active == "" {
		return unread("state of "+u.Name, n.Facts.Agent.Units)
	}
	// failed, activating, start-pending: agent-stable and others say why.
	return unknown("%s is %s", u.Name, state)
}

// judgeImageUnit judges the service of a mounted image.
func judgeImageUnit(n *node.Node, u *facts.Unit) Finding {
	if u.Enabled == "enabled" || u.Enabled == "static" {
		return pass("%s starts at boot", u.Name)
	}
	enabled := text.Or(u.Enabled, "not enabled")
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
		return stops(n, "agent-service-stopped", Proven, "the agent is installed but does not run, and no service starts it").
			saw("process table", "no amazon-ssm-agent", a.Processes.From)
	}
	return unknown("no unit of the agent was found")
}
