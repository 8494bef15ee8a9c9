package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// A healthy agent starts once per boot or update. Restart=always with RestartSec=90,
// as the unit of the deb and rpm packages has it, gives a failing one 40 starts an hour.
const (
	loopStarts = 6
	loopWindow = time.Hour
)

// AgentStable is agent-stable.
var AgentStable = register(Check{
	ID: "agent-stable", Group: "agent", Title: "The agent stays up once started",
	Station: AtAgent, Behind: AtAcceptance,
	Needs:  []*Check{AgentRegression, AgentMemory, AgentExec},
	Causes: []string{"agent-crash-loop"},
	Doc: "Restarts counted by the service manager, how it says that the service ended, starts in the audit files, and entries that end a start: a message bus address in use, a crash. " +
		"The agent exits with code 0 on fatal start errors, so the service manager may count each of these exits as clean.",
	Eval: func(n *node.Node) Finding {
		switch {
		case n.Agent.Installed == node.No:
			return skip("no agent is installed")
		}
		if fd, ok := judgeWorkerEnds(n); ok {
			return fd
		}
		if n.Acceptance.Now == node.Yes {
			return pass("running and accepted")
		}
		bus, crash := n.Log.Current(facts.SigBusStart), n.Log.Current(facts.SigPanic)
		for _, e := range []*node.Entry{&bus, &crash} {
			if outlived(n, *e) {
				*e = node.Entry{Found: node.No}
			}
		}
		state, failing := unitFailing(n)
		starts := recentStarts(n)
		fd := stops(n, "agent-crash-loop", Likely, "")
		switch {
		case crash.Yes():
			fd = fd.say("the agent crashes: %s", textFrom(crash.Text, "Core Agent crashed"))
		case bus.Yes():
			fd = fd.say("the agent cannot start its message bus: %s", textFrom(bus.Text, "failed to"))
		case failing && n.Facts.Agent.Manager.Value == "scm" && n.Ending().Again == node.No:
			e := n.Ending()
			fd = fd.say("%s ended with an error: %s%s; %s", n.Agent.UnitName(), e.How, inBrackets(e.Meaning), e.NotAgain)
		case failing:
			fd = fd.say("%s does not stay up: %s", n.Agent.UnitName(), state)
		case starts >= loopStarts:
			fd = fd.say("the agent started %d times in the last hour", starts)
		case endedByItself(n).Yes():
			return judgeStart(n, endedByItself(n))
		case bus.Unread() || crash.Unread():
			return unreadLog(n)
		default:
			return passStable(n)
		}
		if n.Acceptance.Now == node.Unknown {
			return unreadAcceptance(n, fd)
		}
		fd = fd.logged(bus, crash)
		if failing {
			fd = fd.saw("state of "+n.Agent.UnitName(), state.String(), n.ServiceManager(n.Agent.UnitName()))
		}
		if starts >= loopStarts {
			fd = fd.saw("starts in the last hour", fmt.Sprint(starts), n.Facts.Agent.Starts.From)
		}
		// An address in use and a crash follow from nothing else, unless an update came with them.
		versions := n.Facts.Agent.Versions
		fd.Stands = (crash.Yes() || inUse(bus)) && !versions.Unknown() && len(versions.Some()) < 2
		if crash.Yes() || !bus.Yes() {
			fd = fd.logged(n.Log.Current(facts.SigStartFailed))
		}
		if inUse(bus) {
			usual := causes.Get(fd.Cause).Fix
			if n.Identity.InECS == node.Yes { // a task has its own, unless a volume keeps it
				return fd.fix(causes.NewTask...)
			}
			fd = fd.fix(usual[0], causes.StaleBus).fix(usual[1:]...)
		}
		u := n.Agent.Unit
		if u == nil {
			return fd
		}
		fd = fd.with("unit", u.Name)
		if e := n.Ending(); failing && len(e.Do) > 0 {
			// What systemd could not prepare, and a crash, follow from nothing on the way.
			fd.Stands = fd.Stands || e.Class == node.EndSetup || e.Class == node.EndCrash && !versions.Unknown() && len(versions.Some()) < 2
			fd = overriding(fd, u, e.Meaning).fix(endSteps(u, e)...).fix(withoutRestart(endSteps(u, e), causes.Get(fd.Cause).Fix)...)
		}
		if m, ok := n.LatestNote(facts.NoteCrash, facts.NoteStep, facts.NoteStartLimit); ok && failing {
			fd = fd.sawAt("log of the system", m.Text, m.From, m.At)
		}
		return withKnownBad(n, fd, n.Agent.Version)
	},
})

// judgeWorkerEnds judges a worker that ends again and again while its core runs; false: none
// is seen to.
func judgeWorkerEnds(n *node.Node) (Finding, bool) {
	e, often := workerEnded(n)
	if !often {
		return Finding{}, false
	}
	what := text.New("none runs")
	if n.Agent.Worker == node.Yes {
		what = text.New("%d times since %s", e.Count, n.ClockTime(e.First))
	}
	fd := stops(n, "agent-crash-loop", Likely, "the agent's worker ends again and again: the core started it at %s and at %s, %s; something ends it, or its program is damaged", n.ClockTime(e.Before), n.ClockTime(e.Last), what).logged(e)
	if n.Acceptance.Now == node.Yes {
		fd = fd.as(Breaks)
	}
	return fd.fix(append([]causes.Step{
		linuxStep(true, "See what ends it: somebody's kill, a policy, or a fault of its own", "journalctl -k -n 50 --no-pager; tail -n 50 {log}/errors.log"),
	}, causes.Get(fd.Cause).Fix[1:]...)...), true
}

// judgeStart judges an agent that ended itself at its last start: starting it again meets the
// same unless that is mended.
func judgeStart(n *node.Node, e node.Entry) Finding {
	if asked := metadataSwitchedOff(n); asked.Yes() && lacksWorld(e) {
		return stops(n, "agent-crash-loop", Likely, "%s=true was in the environment in which the agent was started last: it does not ask the metadata service, and ends", noMetadata).
			logged(asked, e).fix(startWithout(n, noMetadata)...)
	}
	fd := stops(n, "agent-crash-loop", Likely, "the agent ended its last start: %s", textFrom(e.Text, "Error occurred when starting")).logged(e)
	if u := n.Agent.Unit; u != nil {
		fd = fd.with("unit", u.Name)
	}
	return fd
}

// startWithout are the steps that start the agent without a variable: as the service, where
// that does not have it, and it was started otherwise.
func startWithout(n *node.Node, name string) []causes.Step {
	if m := n.Facts.Agent.Metadata; m.LookedAt() && !m.Unknown() && !m.Value.Disabled {
		return []causes.Step{{Text: "Start the agent as its service, whose environment does not have the variable", Command: "{restart}", Where: causes.OnHost, Root: true}, causes.Again}
	}
	return withoutVariable(n, n.Facts.Agent.Metadata.Value, name)
}

// unitFailing reports whether the service manager shows that the agent does not stay
// up, and the state that shows it.
func unitFailing(n *node.Node) (text.Text, bool) {
	u := n.Agent.Unit
	if u == nil {
		return text.Text{}, false
	}
	e := n.Ending()
	state := text.New("%s (%s), %d restarts", u.Active, u.Sub, u.Restarts)
	switch {
	case e.How.IsZero():
		state = state.Add(", last exit status %d", u.ExitStatus)
	case e.Meaning != "":
		state = state.Add(", last end: %s (%s)", e.How, e.Meaning)
	default:
		state = state.Add(", last end: %s", e.How)
	}
	switch e.Class {
	case node.EndExec, node.EndMissing:
		return state, false // it never ran: agent-exec and agent-packaging say why
	case node.EndSignal, node.EndTimeout, node.EndCondition:
		if u.Active != "activating" {
			return state, false // it did not end by itself: agent-service says how
		}
	}
	crashed := u.Active != "active" && e.Class == node.EndCrash
	return state, crashed || u.Active == "failed" || u.Active == "activating" && (u.Restarts > 0 || e.Class == node.EndSetup) || u.Restarts >= loopStarts && u.Active != "active"
}

// inBrackets is text in brackets behind a blank; empty for none.
func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// recentStarts counts the starts on record within loopWindow.
func recentStarts(n *node.Node) int {
	count := 0
	for _, t := range n.Facts.Agent.Starts.Some() {
		if a := n.Age(t); a >= 0 && a <= loopWindow {
			count++
		}
	}
	return count
}

// unreadAcceptance is a finding on a node that may be accepted all the same.
func unreadAcceptance(n *node.Node, fd Finding) Finding {
	out := unread("runtime configuration", n.Facts.Credentials.Runtime)
	switch {
	case n.Log.Read() != node.Yes:
		out = unreadLog(n)
	case n.Agent.Core == node.Unknown:
		out = unread("processes", n.Facts.Agent.Processes)
	}
	return out.add("; %s", fd.Summary)
}

// passStable is the answer where nothing speaks for a fault: pass, if all that could
// was read.
func passStable(n *node.Node) Finding {
	a := n.Facts.Agent
	switch {
	case a.Installations.Unknown() && n.Agent.Installed == node.Unknown:
		return unread("installations", a.Installations)
	case n.Log.Read() != node.Yes:
		return unreadLog(n)
	case n.Agent.HasUnit == node.Unknown:
		return unread("service units", a.Units)
	case a.Starts.Unknown():
		return unread("starts on record", a.Starts)
	}
	return pass("no repeated starts")
}

// withoutRestart are steps without the restart that those before them end with already.
func withoutRestart(before, steps []causes.Step) []causes.Step {
	if len(before) == 0 || !strings.Contains(before[len(before)-1].Command, "restart {unit}") {
		return steps
	}
	return slices.DeleteFunc(slices.Clone(steps), func(s causes.Step) bool { return s.Command == "{restart}" })
}
