package checks

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// memoryEnded is an agent that ended a minute ago and waits to be started again.
func memoryEnded(result, how string, status int) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
		u := &f.Agent.Units.Value[0]
		u.Active, u.Sub, u.Restarts, u.Result, u.Ended, u.ExitStatus = "activating", "auto-restart", 9, result, how, status
		u.ExitedAt = f.CollectedAt.Add(-time.Minute)
	}
}

// memoryNote is an entry of the log of the system.
func memoryNote(kind, process string, before time.Duration, times int) func(*facts.Facts) {
	return func(f *facts.Facts) {
		var list []facts.SystemNote
		for range times {
			list = append(list, facts.SystemNote{Kind: kind, Process: process, At: f.CollectedAt.Add(-before), Text: "kernel: Out of memory: Killed process 3211 (" + process + ")", From: "file:/var/log/messages"})
		}
		f.Agent.Notes = facts.Known(list, "logs of the system")
	}
}

func memoryAll(faults ...func(*facts.Facts)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		for _, fault := range faults {
			fault(f)
		}
	}
}

func TestAgentMemory(t *testing.T) {
	t.Parallel()
	const core, worker = "amazon-ssm-agen", "ssm-agent-worke"
	named := func(c Confidence, says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "out-of-memory", confidence: c, says: says, saw: saw, value: "unit=amazon-ssm-agent.service"}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	killed := memoryEnded("signal", "killed", 9)
	table := []row{
		{name: "profile", want: is(Pass, "the agent runs")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "")},
		{name: "windows", kind: "windows", want: is(Pass, "")},
		{name: "task", kind: "task", want: is(Pass, "")},

		{name: "systemd says so", fault: memoryEnded("oom-kill", "killed", 9), want: named(Likely, "was ended for lack of memory: killed by signal 9 (KILL), and systemd says oom-kill", "last end of amazon-ssm-agent.service: killed by signal 9 (KILL)")},
		{name: "systemd and the kernel say so", fault: memoryAll(memoryEnded("oom-kill", "killed", 9), memoryNote(facts.NoteOOM, core, time.Minute, 1)), want: named(Proven, "", "log of the system: kernel: Out of memory: Killed process 3211 (amazon-ssm-agen) (file:/var/log/messages)")},
		{name: "only the kernel says so", fault: memoryAll(killed, memoryNote(facts.NoteOOM, core, time.Minute, 1)), want: named(Proven, "the kernel killed the agent for lack of memory, and amazon-ssm-agent.service is activating", "")},
		{name: "the worker", fault: memoryAll(killed, memoryNote(facts.NoteOOM, worker, time.Minute, 1)), want: named(Proven, "", "")},
		{name: "only the control group says so", fault: memoryAll(killed, func(f *facts.Facts) {
			f.Agent.Units.Value[0].OOMKills = facts.Known(2, "file:/sys/fs/cgroup")
		}), want: named(Likely, "the kernel killed the agent", "kills in the control group of amazon-ssm-agent.service: 2")},
		{name: "Go says so", fault: memoryAll(memoryEnded("exit-code", "exited", 2), memoryNote(facts.NoteNoMemory, core+"t", time.Minute, 1)), want: named(Proven, "for lack of memory", "")},
		{name: "a limit of the unit", fault: memoryAll(memoryEnded("oom-kill", "killed", 9), func(f *facts.Facts) { f.Agent.Units.Value[0].MemoryMax = 64 << 20 }), want: named(Likely, "", "memory limit of amazon-ssm-agent.service: 64 MiB")},
		{name: "no memory to start it", fault: memoryEnded("exit-code", "exited", 204), want: named(Likely, "exit status 204/MEMORY", "")},
		{name: "Windows", kind: "windows", fault: func(f *facts.Facts) {
			memoryEnded("exit-code", "scm", 1455)(f)
			f.Agent.Units.Value[0].Active = "stopped"
		}, want: want{status: Fail, effect: Blocks, cause: "out-of-memory", says: "exit code 1455 (COMMITMENT_LIMIT)"}},

		{name: "killed by somebody", fault: memoryAll(killed, func(f *facts.Facts) { f.Agent.Notes = facts.Known([]facts.SystemNote{}, "") }), want: is(Pass, "nothing says")},
		{name: "killed, log of the system unread", fault: memoryAll(killed, func(f *facts.Facts) {
			f.Agent.Notes = facts.Unknown[[]facts.SystemNote]("permission denied", "")
		}), want: is(Unknown, "logs of the system: permission denied")},
		{name: "killed, and a kill of two days ago", fault: memoryAll(killed, memoryNote(facts.NoteOOM, core, 50*time.Hour, 1)), want: is(Pass, "")},
		{name: "killed, and a kill of three hours ago", fault: memoryAll(killed, func(f *facts.Facts) { f.Agent.Units.Value[0].Restarts = 0 }, memoryNote(facts.NoteOOM, core, 3*time.Hour, 1)), want: is(Pass, "")},
		{name: "killed, and a child of a session was killed", fault: memoryAll(killed, memoryNote(facts.NoteOOM, "ssm-session-wor", time.Minute, 1)), want: is(Pass, "")},
		{name: "stopped by somebody", fault: memoryEnded("success", "exited", 0), want: is(Pass, "")},

		{name: "runs, killed once today", fault: memoryNote(facts.NoteOOM, core, 3*time.Hour, 1), want: want{status: Warn, effect: Notes, cause: "out-of-memory", says: "the kernel killed the agent 3 h ago for lack of memory; it runs again"}},
		{name: "runs, killed again and again", fault: memoryNote(facts.NoteOOM, core, 3*time.Hour, 4), want: want{status: Warn, effect: Breaks, cause: "out-of-memory", says: "4 times within a day"}},
		{name: "runs, a command of it was killed", fault: memoryAll(memoryNote(facts.NoteOOMUnit, "", time.Hour, 1), func(f *facts.Facts) {
			f.Agent.Units.Value[0].OOMKills = facts.Known(1, "file:/sys/fs/cgroup")
		}), want: is(Pass, "the agent runs")},

		{name: "nothing installed", fault: memoryAll(killed, func(f *facts.Facts) { f.Agent.Installations = facts.Known([]facts.Installation{}, "") }), want: is(Skip, "no agent is installed")},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: is(Unknown, "processes: not looked at")},
	}
	judge(t, AgentMemory, table)
	judgeUnread(t, AgentMemory, table)
}

// TestAgentMemoryRemedy: a limit of the unit is lifted where that was met, and nowhere else.
func TestAgentMemoryRemedy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		fault    func(*facts.Facts)
		has, not string
	}{
		{"the host's memory", func(*facts.Facts) {}, "swapon", "MemoryMax"},
		{"a limit of the unit", func(f *facts.Facts) { f.Agent.Units.Value[0].MemoryMax = 64 << 20 }, "MemoryMax=infinity", "swapon"},
		{"a limit of a control group", memoryNote(facts.NoteOOMGroup, "amazon-ssm-agen", time.Minute, 1), "MemoryMax=infinity", "swapon"},
		{"an older unit", func(*facts.Facts) {}, "OOMScoreAdjust", "MemoryMax"},
		{"a unit that protects it", func(f *facts.Facts) { f.Agent.Running = facts.Known("3.3.4515.0", "") }, "swapon", "OOMScoreAdjust"},
	} {
		f := factstest.Healthy(t, "profile")
		memoryEnded("oom-kill", "killed", 9)(f)
		c.fault(f)
		var b strings.Builder
		for _, s := range AgentMemory.Judge(node.Of(f)).Fix {
			b.WriteString(s.Command + "\n")
		}
		if got := b.String(); !strings.Contains(got, c.has) || strings.Contains(got, c.not) {
			t.Errorf("%s: want %q and not %q:\n%s", c.name, c.has, c.not, got)
		}
	}
}
