package node

import (
	"strconv"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
)

// Agent is the agent as it is on this host now.
type Agent struct {
	Installed Answer
	Core      Answer // the core process runs
	Worker    Answer // its worker runs, which newer agents start only once credentials are ready
	Separate  Answer // the agent has a worker process of its own (3.0 and later)

	// Unit is the service that is meant to run the agent: the active one, else the
	// loaded one of an installed packaging. Nil when there is none or none could
	// be read; HasUnit tells which.
	Unit    *facts.Unit
	HasUnit Answer

	Version string    // that runs, else that is installed; empty when unknown
	Since   time.Time // start of the process that runs; zero when it does not, or is not known
	// HealthMinutes is the interval of heartbeats, in minutes.
	HealthMinutes int
	// DualStack: the agent uses dual-stack endpoints, which it can from 3.3.3270.0 on.
	DualStack Answer
	// Packaging is the one in use: deb, rpm, snap, binary, windows, macos, managed;
	// empty when none is known.
	Packaging string
}

func agentOf(f *facts.Facts, i Identity) Agent {
	a := Agent{Version: agentVersion(f), HealthMinutes: 5, Packaging: packaging(f)}
	a.Unit, a.HasUnit = mainUnit(f)
	ps, seen := f.Agent.Processes.Get()
	switch {
	case seen:
		a.Core, a.Worker = answer(len(ps.Core) > 0), answer(len(ps.Worker) > 0)
		if len(ps.Core) > 0 {
			a.Since = ps.Core[0].Started
		}
	case a.Unit != nil && a.Unit.Active != "":
		if a.Core = answer(a.Unit.Active == "active"); a.Core == Yes {
			a.Since = a.Unit.StartedAt
		}
	}
	a.Installed = ifKnown(len(f.Agent.Installations.Some()) > 0, f.Agent.Installations.Known() || len(f.Agent.Installations.Some()) > 0)
	if f.Agent.Installations.Absent() {
		a.Installed = No
	}
	if a.Core == Yes {
		a.Installed = Yes
	}
	a.Separate = not(olderThan(a.Version, "3.0.0.0"))
	if c, ok := f.Agent.Config.Get(); ok {
		if c.HealthMinutes > 0 {
			a.HealthMinutes = c.HealthMinutes
		}
	}
	a.DualStack = UsesDualStack(f)
	return a
}

// LeastDualStack is the release from which on the agent can use dual-stack endpoints.
// Source: amazon-ssm-agent, release notes of 3.3.3270.0.
const LeastDualStack = "3.3.3270.0"

// UsesDualStack reports whether the agent's configuration has it use dual-stack
// endpoints, and its release can. It needs nothing but the facts of the agent.
func UsesDualStack(f *facts.Facts) Answer {
	c, ok := f.Agent.Config.Get()
	switch {
	case ok && c.DualStack:
		return not(olderThan(agentVersion(f), LeastDualStack))
	case ok, f.Agent.Config.Absent():
		return No
	}
	return Unknown
}

func agentVersion(f *facts.Facts) string {
	if v, ok := f.Agent.Running.Get(); ok && v != "" {
		return v
	}
	return f.Agent.Installed.Value
}

func packaging(f *facts.Facts) string {
	list := f.Agent.Installations.Some()
	for _, i := range list {
		if i.Broken == "" {
			return i.Kind
		}
	}
	if len(list) > 0 {
		return list[0].Kind
	}
	return ""
}

func mainUnit(f *facts.Facts) (*facts.Unit, Answer) {
	var best *facts.Unit
	list := f.Agent.Units.Some()
	for i := range list {
		u := &list[i]
		if u.Load == "not-found" {
			continue
		}
		if u.Active == "active" {
			return u, Yes
		}
		if best == nil {
			best = u
		}
	}
	switch {
	case best != nil:
		return best, Yes
	case f.Agent.Units.Unknown():
		return nil, Unknown
	}
	return nil, No
}

// OlderThan reports whether the agent's version is lower than one of four
// numbers; unknown when the agent's cannot be read.
func (a Agent) OlderThan(least string) Answer { return olderThan(a.Version, least) }

// UnitName is the unit that is meant to run the agent; empty when none is known.
func (a Agent) UnitName() string {
	if a.Unit == nil {
		return ""
	}
	return a.Unit.Name
}

// HealthGap is how old an entry of a retrying part of the agent may be and still
// describe now: two heartbeats and ten minutes.
func (a Agent) HealthGap() time.Duration {
	return time.Duration(2*a.HealthMinutes+10) * time.Minute
}

// ServiceManager names the service manager for evidence, as in "systemd:NAME".
func (n *Node) ServiceManager(unit string) string {
	m, ok := n.Facts.Agent.Manager.Get()
	if !ok {
		m = "service"
	}
	return m + ":" + unit
}

// ShowUnit is the command that shows a unit with the service manager of this host.
func (n *Node) ShowUnit(unit string) string {
	switch n.Facts.Agent.Manager.Value {
	case "upstart":
		return "status " + unit
	case "openrc":
		return "rc-service " + unit + " status"
	case "sysv":
		return "/etc/init.d/" + unit + " status"
	}
	return facts.LayoutOf(n.Facts.Host.GOOS).Show + unit
}

// version is x.y.z.w as numbers.
type version [4]int

// parseVersion reads up to four numeric parts; a missing part counts as 0.
func parseVersion(s string) (version, bool) {
	var v version
	parts := strings.Split(strings.TrimSpace(s), ".")
	if len(parts) < 2 || len(parts) > 4 {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// OlderThan reports whether version s is lower than least, both of two to four
// numbers; unknown when one cannot be read.
func OlderThan(s, least string) Answer { return olderThan(s, least) }

func olderThan(s, least string) Answer {
	a, ok := parseVersion(s)
	b, ok2 := parseVersion(least)
	if !ok || !ok2 {
		return Unknown
	}
	for i := range a {
		if a[i] != b[i] {
			return answer(a[i] < b[i])
		}
	}
	return No
}

// LeastV2 is an agent that can use an IMDSv2 token; whether one before it can is not
// known for sure. Source: Bottlerocket, pull request 709, which pins it for that; a
// 2.3.1644.0 was seen to be accepted where tokens are required.
const LeastV2 = "2.3.842.0"
