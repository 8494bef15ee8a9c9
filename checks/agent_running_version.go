package checks

import "ssm-doctor/checks/facts"

var _ = register(Check{
	ID: "agent-running-version", Group: "agent", Title: "The running agent is the installed one",
	Needs: []string{"agent-installed", "agent-service"},
	Doc: "Compares the version on disk with that of the running process, and looks for executables replaced since the start. A difference means an update that was not followed by a restart. " +
		"It names no cause: the older process works until it is restarted.",
	Eval: func(f *facts.Facts) Finding {
		installed, a := f.Agent.Installed.Get()
		running, b := f.Agent.Running.Get()
		if ps, ok := f.Agent.Processes.Get(); ok {
			if len(ps.Core) == 0 {
				return skip("the agent does not run")
			}
			for _, p := range ps.Core {
				if p.Deleted {
					return Finding{Status: Warn, Summary: "the agent's executable was replaced since it started; restart it to run the new one"}
				}
			}
		}
		switch {
		case !a || !b:
			return unknown("running version: %s", f.Agent.Running.Reason())
		case olderThan(installed, running) || olderThan(running, installed):
			return Finding{Status: Warn, Summary: "running " + running + ", installed " + installed + "; restart the agent to run the installed one"}
		}
		return pass("%s", running)
	},
})
