package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// stableEnds is an agent that is not accepted and whose service failed.
func stableEnds(f *facts.Facts) {
	neverAccepted(f)
	f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
	u := &f.Agent.Units.Value[0]
	u.Active, u.Sub, u.ExitStatus, u.Restarts = "failed", "failed", 1, 5
}

// stableStarts puts starts on record, one a minute.
func stableStarts(count int) func(*facts.Facts) {
	return func(f *facts.Facts) {
		var list []time.Time
		for i := range count {
			list = append(list, f.CollectedAt.Add(-time.Duration(count-i)*time.Minute))
		}
		f.Agent.Starts = facts.Known(list, "file:/var/log/amazon/ssm/audits")
	}
}

// stableBus is an agent whose message bus finds its address in use.
func stableBus(f *facts.Facts) {
	neverAccepted(f)
	log(f, facts.SigBusStart, time.Minute, "ERROR [run @ agent.go.104] error occurred when starting amazon-ssm-agent: failed to start message bus, failed to start health channel: failed to listen on the channel: ipc:///var/lib/amazon/ssm/ipc/health, address in use")
}

func stableAll(faults ...func(*facts.Facts)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		for _, fault := range faults {
			fault(f)
		}
	}
}

// workerStartedAgain puts starts of the worker on record, one a minute, the last a minute ago.
func workerStartedAgain(f *facts.Facts, count int) {
	log(f, facts.SigStart, time.Hour, "INFO amazon-ssm-agent - v3.3.3050.0")
	log(f, facts.SigWorkerRestart, time.Minute, "INFO Worker ssm-agent-worker is not running, starting worker process")
	for i := range f.Log.Matches.Value {
		m := &f.Log.Matches.Value[i]
		if m.ID != facts.SigWorkerRestart {
			continue
		}
		m.Count, m.First, m.Before = count, m.Last.Add(-time.Duration(count-1)*time.Minute), time.Time{}
		if count > 1 {
			m.Before = m.Last.Add(-time.Minute)
		}
	}
}

func TestAgentStable(t *testing.T) {
	t.Parallel()
	unit := func(active, sub string, restarts int) func(*facts.Facts) {
		return func(f *facts.Facts) {
			stableEnds(f)
			u := &f.Agent.Units.Value[0]
			u.Active, u.Sub, u.Restarts = active, sub, restarts
		}
	}
	crash := func(f *facts.Facts) {
		neverAccepted(f)
		log(f, facts.SigPanic, time.Minute, "ERROR [amazon-ssm-agent] Core Agent crashed with message runtime error: index out of range")
	}
	startFailed := func(f *facts.Facts) {
		log(f, facts.SigStartFailed, time.Minute, "error occurred when starting amazon-ssm-agent: no IPC folder")
	}
	named := func(says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "agent-crash-loop", confidence: Likely, says: says, saw: saw}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "running and accepted")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "running and accepted")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "")},
		{name: "windows", kind: "windows", want: is(Pass, "")},
		{name: "task", kind: "task", want: is(Pass, "")},
		{name: "not accepted", fault: neverAccepted, want: is(Pass, "no repeated starts")},
		{name: "its worker ends again and again", fault: stableAll(neverAccepted, func(f *facts.Facts) {
			f.Agent.Processes.Value.Worker = nil
			workerStartedAgain(f, 2)
		}), want: named("the agent's worker ends again and again: the core started it at", "agent log: INFO Worker ssm-agent-worker is not running")},
		{name: "its worker ended once", fault: stableAll(neverAccepted, func(f *facts.Facts) {
			f.Agent.Processes.Value.Worker = nil
			workerStartedAgain(f, 1)
		}), want: is(Pass, "no repeated starts")},
		{name: "its worker ends again and again, and sends heartbeats between", fault: func(f *facts.Facts) { workerStartedAgain(f, 5) },
			want: want{status: Warn, effect: Breaks, cause: "agent-crash-loop", confidence: Likely, says: "5 times since"}},
		{name: "its worker was started by several cores", fault: func(f *facts.Facts) {
			workerStartedAgain(f, 5)
			log(f, facts.SigStart, 90*time.Second, "INFO amazon-ssm-agent - v3.3.3050.0")
		}, want: is(Pass, "running and accepted")},
		{name: "ended its last start", fault: stableAll(stableEnds, startFailed, func(f *facts.Facts) {
			u := &f.Agent.Units.Value[0]
			u.Active, u.Sub, u.ExitStatus, u.Restarts, u.StartedAt = "inactive", "dead", 0, 0, time.Time{}
		}), want: named("the agent ended its last start: error occurred when starting amazon-ssm-agent: no IPC folder", "agent log: error occurred when starting")},
		{name: "ended its last start for lack of an identity", fault: stableAll(stableEnds, func(f *facts.Facts) {
			log(f, facts.SigNoIdentity, time.Minute, "Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity")
		}, func(f *facts.Facts) {
			u := &f.Agent.Units.Value[0]
			u.Active, u.Sub, u.ExitStatus, u.Restarts, u.StartedAt = "inactive", "dead", 0, 0, time.Time{}
		}), want: want{status: Pass}},
		{name: "ended its last start for a variable", fault: stableAll(stableEnds, func(f *facts.Facts) {
			u := &f.Agent.Units.Value[0]
			u.Active, u.Sub, u.ExitStatus, u.Restarts, u.StartedAt = "inactive", "dead", 0, 0, time.Time{}
			log(f, facts.SigStart, time.Minute, "INFO amazon-ssm-agent - v3.3.3050.0")
			log(f, facts.SigIMDSFailed, 50*time.Second, "ERROR [EC2Identity] Failed to get instance info from IMDS. caused by: RequestCanceled: EC2 IMDS access disabled via AWS_EC2_METADATA_DISABLED env var")
			log(f, facts.SigNoIdentity, 49*time.Second, "ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity")
		}), want: named("AWS_EC2_METADATA_DISABLED=true was in the environment in which the agent was started last", "agent log: ERROR [EC2Identity]")},
		{name: "ended a start before the last", fault: stableAll(stableEnds, startFailed, func(f *facts.Facts) {
			u := &f.Agent.Units.Value[0]
			u.Active, u.Sub, u.ExitStatus, u.Restarts, u.StartedAt = "inactive", "dead", 0, 0, time.Time{}
			log(f, facts.SigStart, 10*time.Second, "INFO amazon-ssm-agent - v3.3.3050.0")
		}), want: is(Pass, "no repeated starts")},
		{name: "nothing installed", fault: stableAll(stableEnds, func(f *facts.Facts) {
			f.Agent.Installations = facts.Known([]facts.Installation{}, "package databases")
		}), want: is(Skip, "no agent is installed")},

		{name: "address in use", kind: "task", fault: stableBus, want: named("the agent cannot start its message bus: failed to start message bus, failed to start health channel: failed to listen on the channel: ipc:///var/lib/amazon/ssm/ipc/health, address in use", "agent log: ERROR [run @ agent.go.104] error occurred")},
		{name: "bus fails, in other words", fault: stableAll(neverAccepted, func(f *facts.Facts) { log(f, facts.SigBusStart, time.Minute, "message bus: no address") }), want: named("the agent cannot start its message bus: message bus: no address", "")},
		{name: "crashes", fault: crash, want: named("the agent crashes: Core Agent crashed with message runtime error: index out of range", "agent log: ERROR [amazon-ssm-agent] Core Agent crashed")},
		{name: "crashes, and its bus fails", fault: stableAll(crash, stableBus), want: named("the agent crashes", "failed to start message bus")},
		{name: "failed", fault: stableEnds, want: named("amazon-ssm-agent.service does not stay up: failed (failed), 5 restarts, last end: exit status 1", "state of amazon-ssm-agent.service: failed (failed), 5 restarts, last end: exit status 1 (systemd:amazon-ssm-agent.service)")},
		{name: "failed, and the log says why", fault: stableAll(stableEnds, startFailed), want: named("does not stay up", "agent log: error occurred when starting amazon-ssm-agent: no IPC folder")},
		{name: "waits for its next start", fault: unit("activating", "auto-restart", 1), want: named("activating (auto-restart), 1 restarts", "")},
		{name: "its first start", fault: unit("activating", "start", 0), want: is(Pass, "no repeated starts")},
		{name: "restarted often, stopped", fault: unit("inactive", "dead", 6), want: named("inactive (dead), 6 restarts", "")},
		{name: "restarted sometimes, stopped", fault: unit("inactive", "dead", 5), want: is(Pass, "no repeated starts")},
		{name: "restarted often, runs", fault: stableAll(neverAccepted, func(f *facts.Facts) { f.Agent.Units.Value[0].Restarts = 6 }), want: is(Pass, "no repeated starts")},
		{name: "six starts an hour", fault: stableAll(neverAccepted, stableStarts(6)), want: named("the agent started 6 times in the last hour", "starts in the last hour: 6 (file:/var/log/amazon/ssm/audits)")},
		{name: "five starts an hour", fault: stableAll(neverAccepted, stableStarts(5)), want: is(Pass, "no repeated starts")},
		{name: "six starts, hours ago", fault: stableAll(neverAccepted, stableStarts(6), func(f *facts.Facts) { f.CollectedAt = f.CollectedAt.Add(2 * time.Hour) }), want: is(Pass, "no repeated starts")},
		{name: "six starts, by a clock that was ahead", fault: stableAll(neverAccepted, stableStarts(6), func(f *facts.Facts) { f.CollectedAt = f.CollectedAt.Add(-2 * time.Hour) }), want: is(Pass, "no repeated starts")},
		{name: "six starts, accepted", fault: stableStarts(6), want: is(Pass, "running and accepted")},
		{name: "the unit for the remedy", fault: stableEnds, want: want{status: Fail, effect: Blocks, cause: "agent-crash-loop", value: "unit=amazon-ssm-agent.service"}},

		{name: "six starts, log unread", fault: stableAll(stableStarts(6), unreadLogOf), want: is(Unknown, "permission denied; the agent started 6 times in the last hour")},
		{name: "six starts, runtime configuration unread", fault: stableAll(neverAccepted, stableStarts(6), func(f *facts.Facts) {
			f.Agent.Processes.Value.Worker = []facts.Process{{PID: 811}}
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}), want: is(Unknown, "runtime configuration: permission denied; the agent started 6 times")},
		{name: "six starts, processes unread", fault: stableAll(stableStarts(6), func(f *facts.Facts) {
			f.Agent.Processes = facts.Unknown[facts.Processes]("permission denied", "")
			f.Agent.Units = facts.Unknown[[]facts.Unit]("no answer in time", "")
		}), want: is(Unknown, "processes: permission denied; the agent started 6 times")},
		{name: "failed, log unread", fault: stableAll(stableEnds, unreadLogOf), want: named("does not stay up", "")},
		{name: "log unread", fault: unreadLogOf, want: is(Unknown, "agent log: ")},
		{name: "units unread", fault: stableAll(neverAccepted, func(f *facts.Facts) { f.Agent.Units = facts.Unknown[[]facts.Unit]("no answer in time", "") }), want: is(Unknown, "service units: no answer in time")},
		{name: "starts unread", fault: stableAll(neverAccepted, func(f *facts.Facts) { f.Agent.Starts = facts.Unknown[[]time.Time]("permission denied", "") }), want: is(Unknown, "starts on record: permission denied")},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: is(Unknown, "installations: not looked at")},
	}
	judge(t, AgentStable, table)
	judgeUnread(t, AgentStable, table)
}

// TestAgentStableStands: an address in use follows from nothing else, unless an update
// came with it.
func TestAgentStableStands(t *testing.T) {
	t.Parallel()
	updated := func(f *facts.Facts) {
		f.Agent.Versions = facts.Known([]facts.VersionStart{{Version: "3.3.987.0"}, {Version: "3.3.3050.0"}}, "")
	}
	for _, c := range []struct {
		name   string
		fault  func(*facts.Facts)
		stands bool
	}{
		{"address in use", stableBus, true},
		{"after an update", stableAll(stableBus, updated), false},
		{"versions unread", stableAll(stableBus, func(f *facts.Facts) { f.Agent.Versions = facts.Seen[[]facts.VersionStart]{} }), false},
		{"failed", stableEnds, false},
	} {
		f := factstest.Healthy(t, "profile")
		c.fault(f)
		if fd := AgentStable.Judge(node.Of(f)); fd.Cause != "agent-crash-loop" || fd.Stands != c.stands {
			t.Errorf("%s: %q stands %v", c.name, fd.Cause, fd.Stands)
		}
	}
}
