package checks

import (
	"fmt"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// protectedFrom is the release whose packaged unit keeps the kernel from choosing the
// agent when memory runs out.
// Source: release notes of amazon-ssm-agent 3.3.4364.0.
const protectedFrom = "3.3.4364.0"

// oftenKilled is how many kills within a day are no accident.
const oftenKilled = 3

// AgentMemory is agent-memory.
var AgentMemory = register(Check{
	ID: "agent-memory", Group: "agent", Title: "The agent is not killed for lack of memory",
	Station: AtAgent,
	Causes:  []string{"out-of-memory"},
	Doc: "Why the service manager says that the agent ended, how often the kernel killed a process in its control group, and what kernel and service manager logged about it. " +
		"A killed command or session of the agent, which runs in the same control group, does not count. Memory in use is not measured.",
	Eval: func(n *node.Node) Finding {
		u, e := n.Agent.Unit, n.Ending()
		if n.Agent.Installed == node.No {
			return skip("no agent is installed")
		}
		recent := n.RecentMemoryNotes()
		if n.Acceptance.Now == node.Yes || u != nil && u.Active == "active" && n.Agent.Core == node.Yes {
			return judgeRunningMemory(n, recent)
		}
		fd := stops(n, "out-of-memory", Likely, "")
		killed := n.KilledForMemory()
		switch {
		case u != nil && e.Class == node.EndMemory:
			fd = fd.say("%s was ended for lack of memory: %s (%s)", u.Name, e.How, e.Meaning)
			if u.OOMPolicy == "stop" && len(recent) == 0 {
				fd = fd.add("; that may have been a command that it ran, with which OOMPolicy=stop ends the agent")
			}
		case killed && u != nil:
			fd = fd.say("the kernel killed the agent for lack of memory, and %s is %s", u.Name, text.Or(u.Active, "stopped"))
		case killed:
			fd = fd.say("the kernel killed the agent for lack of memory")
		default:
			return passMemory(n)
		}
		if len(recent) > 0 {
			fd = fd.sure(Proven)
		}
		return remedyMemory(n, withMemoryNotes(n, fd, recent), recent).standing()
	},
})

// judgeRunningMemory judges an agent that runs.
func judgeRunningMemory(n *node.Node, recent []facts.SystemNote) Finding {
	kills := 0
	for _, m := range recent {
		if !m.At.IsZero() {
			kills++
		}
	}
	switch {
	case kills >= oftenKilled:
		fd := breaks("out-of-memory", Proven, "the kernel killed the agent %d times within a day for lack of memory; it runs again now", kills)
		return remedyMemory(n, withMemoryNotes(n, fd, recent), recent)
	case kills > 0:
		return withMemoryNotes(n, notes("out-of-memory", Proven, "the kernel killed the agent %s for lack of memory; it runs again", n.Ago(recent[len(recent)-1].At)), recent)
	case n.Agent.Core == node.Unknown:
		return unread("processes", n.Facts.Agent.Processes)
	}
	return pass("the agent runs")
}

// passMemory is the answer for an agent that does not run, or is not accepted, and for
// whose lack of memory nothing speaks.
func passMemory(n *node.Node) Finding {
	a := n.Facts.Agent
	switch {
	case n.Agent.Core == node.Unknown:
		return unread("processes", a.Processes)
	case n.Agent.HasUnit == node.Unknown:
		return unread("service units", a.Units)
	case n.Agent.Core == node.Yes:
		return pass("the agent runs")
	case n.Agent.Installed == node.Unknown:
		return unread("installations", a.Installations)
	case (a.Manager.Value != "systemd" && a.Manager.Value != "scm" || n.Ending().Class == node.EndSignal) && a.Notes.Unknown() && a.Notes.Obstacle() != facts.NotAskable:
		return unread("logs of the system", a.Notes)
	}
	return pass("nothing says that it was ended for lack of memory")
}

// withMemoryNotes adds what was seen.
func withMemoryNotes(n *node.Node, fd Finding, recent []facts.SystemNote) Finding {
	if u := n.Agent.Unit; u != nil {
		from := n.ServiceManager(u.Name)
		if e := n.Ending(); e.Class != "" {
			fd = fd.sawAt("last end of "+u.Name, e.How.String(), from, u.ExitedAt)
		}
		if k, ok := u.OOMKills.Get(); ok && k > 0 {
			fd = fd.saw("kills in the control group of "+u.Name, fmt.Sprint(k), u.OOMKills.From)
		}
		if u.MemoryMax > 0 {
			fd = fd.saw("memory limit of "+u.Name, text.Size(u.MemoryMax), from)
		}
	}
	for i, m := range recent {
		if i >= len(recent)-3 {
			fd = fd.sawAt("log of the system", m.Text, m.From, m.At)
		}
	}
	if m, ok := n.LatestNote(facts.NoteOOMUnit); ok && len(recent) == 0 {
		fd = fd.sawAt("log of the system", m.Text, m.From, m.At)
	}
	return fd
}

// remedyMemory is what ends the lack: a limit of the unit where that was met, else more
// memory for the host; and the agent's protection where its release has none.
func remedyMemory(n *node.Node, fd Finding, recent []facts.SystemNote) Finding {
	u := n.Agent.Unit
	if n.Facts.Host.GOOS != "linux" {
		return fd.fix(stepsOf(n.Ending().Do)...).fix(causes.Get("out-of-memory").Fix...)
	}
	limited := u != nil && u.MemoryMax > 0
	for _, m := range recent {
		switch m.Kind {
		case facts.NoteOOMGroup:
			limited = true
		case facts.NoteOOM: // the host's own memory was at its end
			limited = false
		}
	}
	if u != nil {
		fd = fd.with("unit", u.Name)
	}
	limited = limited && u != nil
	var steps []causes.Step
	if limited {
		steps = append(steps, causes.LiftMemoryLimit)
		for _, o := range u.Overrides {
			if o.Key == "MemoryMax" || o.Key == "MemoryLimit" || o.Key == "MemoryHigh" {
				fd = fd.saw("drop-in of "+u.Name, o.Key+"="+o.Value, "file:"+o.File)
			}
		}
	}
	protects := n.Agent.OlderThan(protectedFrom) == node.No // its own unit does
	for _, s := range causes.Get("out-of-memory").Fix {
		if limited && s == causes.AddSwap || protects && s == causes.ProtectFromOOM {
			continue
		}
		steps = append(steps, s)
	}
	return fd.fix(steps...)
}
