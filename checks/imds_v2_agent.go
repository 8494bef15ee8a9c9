package checks

import "ssm-doctor/checks/facts"

// leastV2 is the first agent that asks for an IMDSv2 token. Source: ssm-agent.md 1.5.
const leastV2 = "3.0.413.0"

var _ = register(Check{
	ID: "imds-v2-agent", Group: "imds", Title: "The agent speaks the metadata version that is required",
	Causes: []string{"imdsv2-required-old-agent"},
	Needs:  []string{"agent-installed", "imds-reachable"},
	Doc:    "Agents before 3.0.413.0 speak only IMDSv1. Where the instance requires tokens, they cannot read metadata at all.",
	Eval: func(f *facts.Facts) Finding {
		if ec2, _ := OnEC2(f); !ec2 || hybridActive(f) {
			return skip("the agent does not use the metadata service here")
		}
		v := AgentVersion(f)
		if v == "" {
			return unknown("version: %s", f.Agent.Installed.Reason())
		}
		if !olderThan(v, leastV2) {
			return pass("agent %s speaks IMDSv2", v)
		}
		one, ok := f.IMDS.V1Allowed.Get()
		if !ok {
			return unknown("whether IMDSv1 is allowed: %s", f.IMDS.V1Allowed.Reason())
		}
		if one {
			return Finding{Status: Warn, Summary: "agent " + v + " speaks only IMDSv1, which is still allowed here"}
		}
		return withPackage(f, fail("imdsv2-required-old-agent", Proven, "agent %s speaks only IMDSv1, but this instance requires IMDSv2 tokens; IMDSv2 needs %s", v, leastV2).
			saw("agent version", v, f.Agent.Installed.From).saw("imds GET without token", "401", f.IMDS.Bare.From).with("version", leastV2))
	},
})
