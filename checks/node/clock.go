package node

import (
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/text"
)

// StartByClock is when the agent started by the clock of that time, and where that stands.
func (n *Node) StartByClock() (began time.Time, from string) {
	if start := n.Log.Last(facts.SigStart); start.Yes() {
		return start.Last, "file:" + start.File
	}
	if u := n.Agent.Unit; u != nil && u.Active == "active" {
		return u.ActiveSince, n.ServiceManager(u.Name)
	}
	return time.Time{}, ""
}

// ClockSetSince says how the clock was set since the agent's start, where the date of
// that start shows it: before the boot, or ahead of now.
func (n *Node) ClockSetSince() string {
	began, _ := n.StartByClock()
	boot, ok := n.Facts.Host.BootTime.Get()
	switch {
	case !ok || began.IsZero():
		return ""
	case boot.Sub(began) > time.Minute:
		return "dated " + text.Span(boot.Sub(began)) + " before the boot: the clock was set forward since"
	case n.Age(began) < 0:
		return "dated ahead of now: the clock was set back since"
	}
	return ""
}
