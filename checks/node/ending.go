package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/text"
)

// EndClass is what kind of end a service came to.
type EndClass string

// Classes of ends. The zero class: nothing is known of an end.
const (
	EndClean     EndClass = "clean"     // it ended by itself, without an error
	EndCode      EndClass = "code"      // it ended by itself, with an error code
	EndSignal    EndClass = "signal"    // something else ended it
	EndCrash     EndClass = "crash"     // a fault of its own ended it
	EndMemory    EndClass = "memory"    // there was no memory for it
	EndExec      EndClass = "exec"      // its program could not be executed
	EndMissing   EndClass = "missing"   // its program, or a part of that, is not there
	EndSetup     EndClass = "setup"     // the manager could not prepare the process
	EndTimeout   EndClass = "timeout"   // the manager waited too long for it
	EndLimit     EndClass = "limit"     // the manager gave up starting it
	EndCondition EndClass = "condition" // what the service needs was not there
)

// Step is what to do after an end: words and a command with the placeholders of
// package causes. It is root's unless the command only reads.
type Step struct {
	Text, Command string
	Reads         bool
}

// Ending is how a service came to its last end.
type Ending struct {
	Class EndClass
	How   text.Text // such as "killed by signal 1 (HUP)"
	// Meaning is what usually makes a service end so.
	Meaning string
	// Again: the manager starts it again by itself; NotAgain says why it does not.
	Again    Answer
	NotAgain text.Text
	// Do are the next steps that last.
	Do []Step
}

// Ending tells how the service that is meant to run the agent ended last.
func (n *Node) Ending() Ending {
	if n.Agent.Unit == nil {
		return Ending{}
	}
	return n.EndingOf(n.Agent.Unit)
}

// EndingOf tells how a service ended last, by what its manager says.
func (n *Node) EndingOf(u *facts.Unit) Ending {
	switch n.Facts.Agent.Manager.Value {
	case "scm":
		return endingOfWindows(u)
	case "launchd":
		return endingOfMac(u)
	}
	return endingOfSystemd(u)
}

// endingOfSystemd reads Result=, ExecMainCode= and ExecMainStatus=. Result tells why
// systemd thinks that the service failed, the other two how its process ended.
func endingOfSystemd(u *facts.Unit) Ending {
	e := endedProcess(u)
	if r, ok := results[u.Result]; ok {
		e.Class, e.Meaning = r.class, r.meaning
		e.Do = append(slices.Clone(r.do), e.Do...)
		if e.How.IsZero() {
			e.How = text.New("systemd says %s", u.Result)
		} else {
			e.How = e.How.Add(", and systemd says %s", u.Result)
		}
	}
	if u.Unmet && e.Class == "" {
		e = Ending{Class: EndCondition, How: text.New("a condition of the unit did not hold"), Meaning: "a Condition or Assert line of the unit kept systemd from starting it",
			Do: []Step{{"Check which condition did not hold", "systemctl status {unit}; systemctl cat {unit}", true}}}
	}
	e.Again, e.NotAgain = startsAgain(u, e)
	if e.Again == No && (e.Class == EndSignal || e.Class == EndCode || e.Class == EndClean) && u.Restart != "always" && u.Restart != "" {
		e.Do = append(e.Do, keepRunning)
	}
	return e
}

// keepRunning makes systemd start the agent again after every end, as its packages do.
var keepRunning = Step{"Let systemd start the agent again after every end (Restart=always), as the unit of its package does",
	"mkdir -p /etc/systemd/system/{unit}.d\nprintf '[Service]\\nRestart=always\\nRestartSec=90\\n' > /etc/systemd/system/{unit}.d/50-restart.conf\nsystemctl daemon-reload\nsystemctl restart {unit}", false}

// endedProcess is how the main process of a unit ended. systemd before 228, and facts
// of an older program, do not tell signals from codes; the result then does.
func endedProcess(u *facts.Unit) Ending {
	how := u.Ended
	if how == "" {
		switch u.Result {
		case "signal":
			how = "killed"
		case "core-dump":
			how = "dumped"
		case "exit-code":
			how = "exited"
		}
	}
	switch {
	case (how == "killed" || how == "dumped") && u.ExitStatus > 0:
		s := signalOf(u.ExitStatus)
		e := Ending{Class: s.class, How: text.New("killed by signal %d (%s)", u.ExitStatus, s.name), Meaning: s.meaning, Do: s.do}
		if how == "dumped" {
			e.Class = EndCrash
			e.How = e.How.Add(" with a core file")
			e.Do = append(slices.Clone(e.Do), Step{"Check where it crashed", "coredumpctl info amazon-ssm-agent", true})
		}
		return e
	case u.ExitStatus == 0 && how == "exited":
		return Ending{Class: EndClean, How: text.New("ended by itself without an error"),
			Meaning: "the agent exits with code 0 when it was stopped, and also when it cannot start"}
	case u.ExitStatus == 0:
		return Ending{}
	}
	if s, ok := codes[u.ExitStatus]; ok {
		return Ending{Class: s.class, How: text.New("exit status %d/%s", u.ExitStatus, s.name), Meaning: s.meaning, Do: s.do}
	}
	if u.ExitStatus > 128 && u.ExitStatus < 160 {
		s := signalOf(u.ExitStatus - 128)
		return Ending{Class: EndCode, How: text.New("exit status %d", u.ExitStatus), Meaning: "a shell gives this status when signal " + fmt.Sprint(u.ExitStatus-128) + " (" + s.name + ") ended the program"}
	}
	return Ending{Class: EndCode, How: text.New("exit status %d", u.ExitStatus)}
}

// restarts are the ends after which each value of Restart= starts a service again.
// Source: systemd.service(5), "Exit causes and the effect of the Restart= settings".
var restarts = map[string][]EndClass{
	"always":      {EndClean, EndCode, EndExec, EndMissing, EndSetup, EndSignal, EndCrash, EndMemory, EndTimeout},
	"on-success":  {EndClean},
	"on-failure":  {EndCode, EndExec, EndMissing, EndSetup, EndSignal, EndCrash, EndMemory, EndTimeout},
	"on-abnormal": {EndSignal, EndCrash, EndMemory, EndTimeout},
	"on-abort":    {EndSignal, EndCrash, EndMemory},
	"on-watchdog": nil, // but for the watchdog itself
	"no":          nil,
}

// startsAgain tells whether systemd starts a unit again that ended so, and why not.
func startsAgain(u *facts.Unit, e Ending) (Answer, text.Text) {
	no := func(format string, a ...any) (Answer, text.Text) { return No, text.New(format, a...) }
	after, known := restarts[u.Restart]
	class := e.Class
	clean := class == EndSignal && cleanSignals[u.ExitStatus]
	if clean {
		class = EndClean
	}
	switch {
	case u.Active == "activating":
		return Yes, text.Text{}
	case e.Class == EndLimit:
		return no("systemd gave up after too many starts")
	case u.Unmet, e.Class == EndCondition:
		return no("systemd starts it only when something starts it again")
	case u.Ended != "killed" && u.Ended != "dumped" && slices.Contains(u.NoRestart, u.ExitStatus) && u.ExitStatus != 0:
		return no("RestartPreventExitStatus of the unit names %d", u.ExitStatus)
	case !known || class == "" && u.Restart != "no":
		return Unknown, text.Text{}
	case u.Restart == "on-watchdog" && u.Result == "watchdog":
		return Yes, text.Text{}
	case !slices.Contains(after, class):
		how := "Restart=" + u.Restart
		if clean {
			return no("%s takes this signal for a clean end", how)
		}
		return no("%s does not cover it", how)
	case u.Active == "inactive" && class == EndClean:
		// With Restart=always systemd would have started it again, had it not been told to stop it.
		return no("somebody or something told systemd to stop it")
	}
	return Unknown, text.Text{}
}

// cleanSignals are those that systemd takes for a clean end.
// Source: systemd.service(5), SuccessExitStatus=.
var cleanSignals = map[int]bool{1: true, 2: true, 13: true, 15: true}

// MemoryNotes are the entries of kernel and service manager that say that the agent
// itself ran out of memory: not the children of its sessions and commands.
func (n *Node) MemoryNotes() []facts.SystemNote {
	var out []facts.SystemNote
	for _, m := range n.Facts.Agent.Notes.Some() {
		switch m.Kind {
		case facts.NoteOOM, facts.NoteOOMGroup, facts.NoteNoMemory:
			if m.Process == "" || isAgentName(m.Process) {
				out = append(out, m)
			}
		}
	}
	return out
}

// RecentMemoryNotes are the MemoryNotes of the last day, and those without a time.
func (n *Node) RecentMemoryNotes() []facts.SystemNote {
	var out []facts.SystemNote
	for _, m := range n.MemoryNotes() {
		if a := n.Age(m.At); m.At.IsZero() || a >= 0 && a < RecentWindow {
			out = append(out, m)
		}
	}
	return out
}

// KilledForMemory reports whether the last end of an agent that does not run was a kill
// for lack of memory, of which its service manager tells only the kill, or nothing.
func (n *Node) KilledForMemory() bool {
	const near = 5 * time.Minute
	u, e := n.Agent.Unit, n.Ending()
	killed := u != nil && u.ExitStatus == 9 && (e.Class == EndSignal || e.Class == EndCode)
	if killed && u.OOMKills.Known() && u.OOMKills.Value > 0 {
		return true
	}
	for _, m := range n.RecentMemoryNotes() {
		switch {
		case !m.At.IsZero() && n.Acceptance.Last.At.After(m.At):
		case m.Kind == facts.NoteNoMemory && n.Agent.Core != Yes:
			return true
		case u != nil && !u.ExitedAt.IsZero() && !m.At.IsZero():
			// The end that systemd tells of, or one of those before it in a loop.
			if m.At.Sub(u.ExitedAt).Abs() < near || u.Restarts > 0 && killed {
				return true
			}
		case killed || n.Agent.Core == No && (u == nil || n.Facts.Agent.Manager.Value != "systemd"):
			return true
		}
	}
	return false
}

// isAgentName reports whether the kernel's name of a process, at most 15 letters, is
// that of the core agent or its worker.
func isAgentName(s string) bool {
	for _, name := range []string{"amazon-ssm-agent", "ssm-agent-worker"} {
		if s != "" && (s == name || len(s) >= 14 && strings.HasPrefix(name, s)) {
			return true
		}
	}
	return false
}

// LatestNote is the newest entry of some kinds; false when there is none.
func (n *Node) LatestNote(kinds ...string) (facts.SystemNote, bool) {
	list := n.Facts.Agent.Notes.Some()
	for i := len(list) - 1; i >= 0; i-- {
		if slices.Contains(kinds, list[i].Kind) {
			return list[i], true
		}
	}
	return facts.SystemNote{}, false
}
