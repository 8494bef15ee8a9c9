package checks

import (
	"time"

	"ssm-doctor/checks/facts"
)

// bootWindow is how long after boot a stop still counts as one of the boot itself.
const bootWindow = 5 * time.Minute

var _ = register(Check{
	ID: "imds-at-boot", Group: "imds", Title: "The agent did not give up before the metadata service was up",
	Causes: []string{"imds-not-ready-at-boot"},
	Needs:  []string{"agent-installed", "imds-reachable"},
	Doc: "An agent that starts before the network gives up after three rounds and exits with code 0. If its service is not restarted, it stays down although metadata answers now. " +
		"Seen from the unit's end soon after boot together with the agent's log.",
	Eval: func(f *facts.Facts) Finding {
		if running, known := coreRunning(f); !known || running {
			return skip("the agent runs")
		}
		if ec2, _ := OnEC2(f); !ec2 {
			return skip("not an EC2 instance")
		}
		boot, ok := f.Host.BootTime.Get()
		if !ok {
			return unknown("boot time: %s", f.Host.BootTime.Reason())
		}
		u := mainUnit(f)
		if u == nil || u.Active == "active" || u.Enabled == "disabled" || u.Enabled == "masked" {
			return skip("the service was not ended by the agent")
		}
		m, ok := firstCurrent(f, facts.SigIMDSFailed, facts.SigNoIdentity, facts.SigRegionFailed)
		if !ok || m.Last.Before(boot.Add(-bootWindow)) {
			return pass("no failure at boot on record")
		}
		if m.Last.After(boot.Add(bootWindow)) {
			return pass("the last failure was not at boot")
		}
		if t, ok := f.IMDS.Token.Get(); !ok || !t.Token {
			return skip("the metadata service does not answer now either")
		}
		return fail("imds-not-ready-at-boot", Likely, "the agent gave up %s after boot, before the metadata service or the network was up, and was not started again; a restart will do", span(m.Last.Sub(boot))).
			logged(m).sawAt("boot", "system boot", f.Host.BootTime.From, boot).
			saw("imds PUT /latest/api/token now", "answers", f.IMDS.Token.From).
			sawAt("state of "+u.Name, u.Active+" ("+u.Sub+")", "systemctl:"+u.Name, u.StoppedSince).with("unit", u.Name)
	},
})
