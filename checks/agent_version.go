package checks

import (
	"fmt"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// Versions from which the agent has a feature. Source: ssm-agent.md 1.5.
const (
	leastDHMC    = "3.2.582.0" // Default Host Management
	leastSession = "2.3.68.0"  // Session Manager
	leastSplit   = "3.1.501.0" // runtime configuration, diagnostics
)

var _ = register(Check{
	ID: "agent-version", Group: "agent", Title: "The agent is new enough for what this host depends on",
	Causes: []string{"agent-version-too-old"},
	Needs:  []string{"agent-installed", "imds-v2-agent"},
	Doc: "Compares the agent's version with what this host needs: Default Host Management from 3.2.582.0 where no instance profile is attached, Session Manager from 2.3.68.0. " +
		"Whether a newer release exists is not asked: that would need the network.",
	Eval: func(f *facts.Facts) Finding {
		v := AgentVersion(f)
		if v == "" {
			if yes, known := agentInstalled(f); known && !yes {
				return skip("no agent is installed")
			}
			return unknown("version: %s", f.Agent.Installed.Reason())
		}
		if _, ok := parseVersion(v); !ok {
			return unknown("version %s cannot be read", quote(v))
		}
		from := f.Agent.Running.From
		if from == "" {
			from = f.Agent.Installed.From
		}
		ec2, _ := OnEC2(f)
		if ec2 && !hybridActive(f) && f.IMDS.Profile.Absent() && olderThan(v, leastDHMC) {
			fd := fail("agent-version-too-old", Proven, "agent %s cannot use Default Host Management, which needs %s, and no instance profile is attached", v, leastDHMC).
				saw("agent version", v, from).saw("imds GET iam/info", "404, no instance profile attached", f.IMDS.Profile.From).with("version", leastDHMC)
			return withPackage(f, fd)
		}
		if olderThan(v, leastSession) {
			fd := warn("agent-version-too-old", Proven, "agent %s has no Session Manager, which needs %s", v, leastSession).
				severity(causes.Warning).saw("agent version", v, from).with("version", leastSession)
			return withPackage(f, fd)
		}
		if olderThan(v, leastSplit) {
			return Finding{Status: Warn, Summary: fmt.Sprintf("agent %s is of 2021 or older; update it", v)}
		}
		return pass("%s", v)
	},
})

// withPackage adds how this agent is packaged, for the remedy.
func withPackage(f *facts.Facts, fd Finding) Finding {
	for _, in := range f.Agent.Installations {
		fd = fd.saw("installed as", in.Kind+" "+in.Version.Value, in.Version.From).with("package", in.Kind)
	}
	return fd
}
