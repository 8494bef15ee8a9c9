package checks

import (
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// bootWindow is how long after boot a stop still counts as one of the boot itself.
const bootWindow = 5 * time.Minute

// ImdsAtBoot is imds-at-boot.
var ImdsAtBoot = register(Check{
	ID: "imds-at-boot", Group: "imds", Title: "The metadata service was up when the agent started at boot",
	Station: AtAgent,
	Needs:   []*Check{ImdsReachable},
	Causes:  []string{"imds-not-ready-at-boot"},
	Doc: "An agent that starts before the network gives up after three rounds and exits with code 0. If its service is not restarted, it stays down although metadata answers now. " +
		"Concluded from a unit that ended soon after boot, together with the agent's log.",
	Eval: func(n *node.Node) Finding {
		boot, booted := n.Facts.Host.BootTime.Get()
		u := n.Agent.Unit
		switch {
		case n.Agent.Core == node.Yes:
			return skip("the agent runs")
		case n.Agent.Core == node.Unknown:
			return unread("processes", n.Facts.Agent.Processes)
		case n.Identity.OnEC2 == node.No:
			return skip("not an EC2 instance")
		case n.Identity.OnEC2 == node.Unknown:
			return unknown("whether this is an EC2 instance is not known")
		case !booted:
			return unread("boot time", n.Facts.Host.BootTime)
		case n.Agent.HasUnit == node.Unknown:
			return unread("service", n.Facts.Agent.Units)
		case u == nil:
			return skip("no service is meant to run the agent")
		case u.Active == "active" || u.Enabled == "disabled" || u.Enabled == "masked":
			return skip("the agent did not end its service itself")
		}
		m := n.Log.Current(facts.SigIMDSFailed, facts.SigNoIdentity, facts.SigRegionFailed)
		token, asked := n.Facts.IMDS.Token.Get()
		none, later := !m.Yes() || m.Last.Before(boot.Add(-bootWindow)), m.Last.After(boot.Add(bootWindow))
		switch {
		case m.Unread(), (none || later) && n.Log.Read() != node.Yes:
			return unreadLog(n)
		case none:
			return skip("no failure at boot on record")
		case later:
			return skip("the last failure was not at boot")
		}
		switch {
		case !asked:
			return unread("metadata service", n.Facts.IMDS.Token)
		case !token.Token:
			return skip("the metadata service does not answer now either")
		}
		return stops(n, "imds-not-ready-at-boot", Likely, "the agent gave up %s after boot, before the metadata service or the network was up, and was not started again; restart it", text.Span(max(0, m.Last.Sub(boot)))).
			logged(m).sawAt("boot", "system boot", n.Facts.Host.BootTime.From, boot).
			saw("imds PUT /latest/api/token now", "answers", n.Facts.IMDS.Token.From).
			sawAt("state of "+u.Name, u.Active+" ("+u.Sub+")", n.ServiceManager(u.Name), u.StoppedSince).with("unit", u.Name)
	},
})
