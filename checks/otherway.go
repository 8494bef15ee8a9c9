package checks

import "ssm-doctor/checks/facts"

// The agent's own way may be another than the one this program tried. Then a
// failure of this program says nothing about the agent.

// namesOfAgent judges endpoints: an agent that uses dual-stack endpoints asks
// for other names than those that were tried.
func namesOfAgent(eval func(*facts.Facts) Finding) func(*facts.Facts) Finding {
	return unless(dualStack, "the agent uses dual-stack endpoints (Agent.UseDualStackEndpoint), whose names were not tried", eval)
}

// packetsOfRoot judges connections: a firewall may stop those of ordinary users
// and let those of root pass.
func packetsOfRoot(eval func(*facts.Facts) Finding) func(*facts.Facts) Finding {
	return unless(rootMayPass, "the agent runs as root, whose packets may pass where those of this user do not: run this as root", eval)
}

func unless(other func(*facts.Facts) bool, why string, eval func(*facts.Facts) Finding) func(*facts.Facts) Finding {
	return func(f *facts.Facts) Finding {
		fd := eval(f)
		if fd.Status != Fail && (fd.Status != Warn || fd.Cause == "") || !other(f) {
			return fd
		}
		u := unknown("%s; but %s", fd.Summary, why)
		u.Evidence = fd.Evidence
		return u
	}
}

// dualStack reports whether the agent uses dual-stack endpoints, which it can
// from 3.3.3270.0 on.
func dualStack(f *facts.Facts) bool {
	c, ok := f.Agent.Config.Get()
	return ok && c.DualStack && !olderThan(AgentVersion(f), "3.3.3270.0")
}

// rootMayPass reports whether this program runs without root beside an agent
// whose worker runs, which is started only once the service was reached.
func rootMayPass(f *facts.Facts) bool {
	root, ok := f.Host.Privileged.Get()
	worker, known := workerRunning(f)
	return ok && !root && known && worker
}
