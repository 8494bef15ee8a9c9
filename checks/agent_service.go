package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/facts"
)

// exitReboot is the agent's code for "reboot the machine"; its unit lists it as
// one that must not restart the service.
const exitReboot = 194

var _ = register(Check{
	ID: "agent-service", Group: "agent", Title: "The agent's service is enabled and running",
	Causes: []string{"agent-service-stopped"},
	Needs:  []string{"agent-installed", "agent-packaging", "imds-at-boot", "windows-image-state", "agent-exec", "agent-config"},
	Doc: "State of the agent's unit as its service manager tells it: running, stopped, disabled, masked, or held back from restarting after the agent's reboot code 194. " +
		"A service that keeps failing is judged by agent-stable.",
	Eval: func(f *facts.Facts) Finding {
		if yes, known := agentInstalled(f); known && !yes {
			return skip("no agent is installed")
		}
		u := mainUnit(f)
		if u == nil {
			return serviceWithoutUnit(f)
		}
		from := f.Agent.Manager.Value + ":" + u.Name
		state := fmt.Sprintf("%s (%s), %s", u.Active, u.Sub, u.Enabled)
		if !f.Live() {
			if u.Enabled == "enabled" || u.Enabled == "static" {
				return pass("%s starts at boot", u.Name)
			}
			return fail("agent-service-stopped", Proven, "%s is %s and will not start at boot", u.Name, orNone(u.Enabled)).
				saw("unit "+u.Name, orNone(u.Enabled), "file:"+u.File).with("unit", u.Name)
		}
		switch {
		case u.Active == "active" || u.Active == "reloading":
			if u.Enabled == "disabled" {
				return Finding{Status: Warn, Summary: u.Name + " runs but is disabled: it will not start at the next boot"}
			}
			return pass("%s is %s", u.Name, state)
		case u.Load == "masked" || u.Enabled == "masked":
			return stopped(u, from, state, fmt.Sprintf("%s is masked: it cannot be started", u.Name)).standing()
		case u.Active == "inactive" && u.ExitStatus == exitReboot && contains(u.NoRestart, exitReboot):
			return stopped(u, from, state, fmt.Sprintf("%s ended with code 194 (a command asked for a reboot that did not happen) and is kept from restarting", u.Name)).standing()
		case u.Active == "inactive" && u.Enabled == "disabled":
			return stopped(u, from, state, fmt.Sprintf("%s is disabled and not running", u.Name)).standing()
		case u.Active == "inactive" || u.Active == "deactivating":
			return stopped(u, from, state, fmt.Sprintf("%s is stopped (%s)", u.Name, state))
		case u.Active == "failed" && u.ExitStatus == exitReboot:
			return stopped(u, from, state, fmt.Sprintf("%s ended with code 194 (a command asked for a reboot that did not happen) and is kept from restarting", u.Name)).standing()
		case strings.HasPrefix(u.Active, "stop"), u.Active == "paused":
			return stopped(u, from, state, fmt.Sprintf("the service %s is %s", u.Name, u.Active))
		}
		// failed, activating, start-pending: agent-stable and others say why.
		return unknown("%s is %s", u.Name, state)
	},
})

func stopped(u *facts.Unit, from, state, why string) Finding {
	fd := fail("agent-service-stopped", Proven, "%s", why).sawAt("state of "+u.Name, state, from, u.StoppedSince).with("unit", u.Name)
	if u.ExitStatus != 0 {
		fd = fd.sawAt("last exit of "+u.Name, fmt.Sprintf("status %d", u.ExitStatus), from, u.ExitedAt)
	}
	return fd
}

// serviceWithoutUnit judges a host without a service manager or without a unit.
func serviceWithoutUnit(f *facts.Facts) Finding {
	running, known := coreRunning(f)
	switch {
	case known && running:
		return pass("the agent runs without a service manager")
	case f.Agent.Manager.Unknown():
		return unknown("service manager: %s", f.Agent.Manager.Reason())
	case known && !running && f.Live() && len(f.Agent.Installations) > 0 && Kind(f) != KindECS:
		return fail("agent-service-stopped", Proven, "the agent is installed but does not run, and no service starts it").
			saw("process table", "no amazon-ssm-agent", f.Agent.Processes.From)
	}
	return unknown("no unit of the agent found")
}

func contains(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

func orNone(s string) string {
	if s == "" {
		return "not enabled"
	}
	return s
}
