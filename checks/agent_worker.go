package checks

import "ssm-doctor/checks/facts"

var _ = register(Check{
	ID: "agent-worker", Group: "agent", Title: "The agent's worker process runs",
	Needs: append([]string{"agent-service", "agent-stable"}, acceptance...),
	Doc: "From 3.2 on the core process starts its worker only once credentials are ready, so a core without a worker is the best local sign of a node that is not accepted. " +
		"It is a consequence: other checks name the cause.",
	Eval: func(f *facts.Facts) Finding {
		core, known := coreRunning(f)
		if !known {
			return unknown("processes: %s", f.Agent.Processes.Reason())
		}
		if !core {
			return skip("the agent does not run")
		}
		if !splitAgent(f) {
			return skip("agents before 3.0 have no worker")
		}
		w, known := workerRunning(f)
		switch {
		case !known:
			return unknown("processes: %s", f.Agent.Processes.Reason())
		case w:
			return pass("core and worker run")
		}
		return Finding{Status: Fail, Summary: "the core runs without its worker: the agent has no usable credentials since its start"}
	},
})

// acceptance are the checks behind which a node that is set up rightly is accepted.
var acceptance = []string{
	"hybrid-registration", "activation", "registration-known", "registration-fingerprint", "registration-store", "region",
	"imds-reachable", "imds-v2-agent", "clock", "tls-trust", "proxy", "proxy-applied", "dns", "dns-pin", "dns-private", "network-egress",
	"credential-source", "instance-profile-trust", "dhmc-role", "hybrid-role", "credentials-fresh", "permission-registration", "agent-version",
}
