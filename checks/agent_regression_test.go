package checks

import (
	"slices"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// regressionUpdate is an agent that was updated: the older version started so long
// before the run, the newer one an hour before it.
func regressionUpdate(older time.Duration) func(*facts.Facts) {
	return func(f *facts.Facts) {
		start := func(v string, before time.Duration) facts.VersionStart {
			return facts.VersionStart{Version: v, At: f.CollectedAt.Add(-before)}
		}
		f.Agent.Versions = facts.Known([]facts.VersionStart{start("3.3.1957.0", older+time.Hour), start("3.3.1957.0", older), start("3.3.2476.0", time.Hour), start("3.3.2476.0", time.Minute)}, "file:/var/log/amazon/ssm/audits")
	}
}

// regressionCrashes is an agent that the service never accepted and that crashes.
func regressionCrashes(f *facts.Facts) {
	neverAccepted(f)
	log(f, facts.SigPanic, 2*time.Minute, "Core Agent crashed with message runtime error: index out of range")
}

// regressionFails is an agent that its service manager starts again and again.
func regressionFails(f *facts.Facts) {
	neverAccepted(f)
	f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
	u := &f.Agent.Units.Value[0]
	u.Active, u.Sub, u.ExitStatus, u.Restarts = "activating", "auto-restart", 2, 12
}

// regressionSilent is an agent whose heartbeats are accepted and whose log, read from its
// start, tells of no channel, where the version before had one; with these connections.
func regressionSilent(channel facts.Seen[[]facts.Socket]) func(*facts.Facts) {
	return func(f *facts.Facts) {
		regressionUpdate(24 * time.Hour)(f)
		f.Log.Matches.Value = slices.DeleteFunc(slices.Clone(f.Log.Matches.Value), func(m facts.Match) bool { return m.ID == facts.SigChannelMGS })
		log(f, facts.SigChannelUp, 2*time.Hour, "SSM Connection channel status is set to ssmmessages")
		log(f, facts.SigStart, time.Hour, "amazon-ssm-agent - v3.3.2476.0")
		f.Agent.Channel = channel
	}
}

func TestAgentRegression(t *testing.T) {
	t.Parallel()
	all := func(faults ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, fault := range faults {
				fault(f)
			}
		}
	}
	part := func(f *facts.Facts) {
		f.Agent.Versions = facts.Partly(f.Agent.Versions.Value, "permission denied", "file:/var/log/amazon/ssm/audits")
	}
	named := func(says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "agent-version-regression", confidence: Possible, says: says, saw: saw, value: "version=3.3.1957.0"}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	day := 24 * time.Hour
	table := []row{
		{name: "profile", want: is(Skip, "no update is on record")},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "")},
		{name: "windows", kind: "windows", want: is(Skip, "")},
		{name: "task", kind: "task", want: is(Skip, "")},
		{name: "a release that others report, too", fault: all(regressionUpdate(30*day), regressionCrashes, func(f *facts.Facts) { f.Agent.Installations.Value[0].Kind = "snap" }),
			want: want{status: Fail, effect: Blocks, cause: "agent-version-regression", confidence: Likely, saw: "known of agent 3.3.2476.0, as of "}},
		{name: "no start on record", fault: func(f *facts.Facts) {
			f.Agent.Versions = facts.Absent[[]facts.VersionStart]("no start is recorded", "")
		}, want: is(Skip, "no update is on record")},

		{name: "updated, works", fault: regressionUpdate(day), want: is(Pass, "3.3.2476.0 works; 3.3.1957.0 ran before")},
		{name: "updated, worked", fault: all(regressionUpdate(day), regressionCrashes, func(f *facts.Facts) {
			log(f, facts.SigRotation, 30*time.Minute, "Next credential rotation will be in 29.9 minutes")
		}), want: is(Pass, "3.3.2476.0 works")},
		{name: "crashes since", fault: all(regressionUpdate(day), regressionCrashes),
			want: named(`agent 3.3.2476.0 fails (its log says "Core Agent crashed with message runtime error: index out of range") since it replaced 3.3.1957.0, which worked`, "first start of 3.3.2476.0: 3.3.2476.0 (file:/var/log/amazon/ssm/audits)")},
		{name: "crashes since, the crash is shown", fault: all(regressionUpdate(day), regressionCrashes), want: named("", "agent log: Core Agent crashed with message")},
		{name: "crashes since, the package for the remedy", fault: all(regressionUpdate(day), regressionCrashes), want: named("", "installed as: rpm 3.3.3050.0")},
		{name: "fails since", fault: all(regressionUpdate(day), regressionFails), want: named("fails (activating (auto-restart), exit status 2, 12 restarts) since it replaced 3.3.1957.0", "state of amazon-ssm-agent.service: activating (auto-restart), exit status 2, 12 restarts (systemd:amazon-ssm-agent.service)")},
		{name: "fails since, accepted before", fault: all(regressionUpdate(90*time.Minute), regressionFails, func(f *facts.Facts) {
			log(f, facts.SigRotation, 80*time.Minute, "Next credential rotation will be in 29.9 minutes")
		}), want: named("", "last accepted call: Next credential rotation will be in 29.9 minutes")},
		{name: "fails since, ran before for minutes only", fault: all(regressionUpdate(90*time.Minute), regressionFails), want: is(Unknown, "3.3.2476.0 followed 3.3.1957.0; nothing tells whether either worked")},
		{name: "no trouble since", fault: all(regressionUpdate(day), neverAccepted, func(f *facts.Facts) {
			log(f, facts.SigPanic, 2*time.Hour, "Core Agent crashed with message runtime error")
		}), want: is(Unknown, "nothing tells whether either worked")},

		{name: "silent since, no connection", fault: regressionSilent(facts.Known([]facts.Socket{}, "file:/proc/net/tcp")),
			want: want{status: Fail, effect: Ends, cause: "agent-version-regression", confidence: Likely, says: "has opened no message channel since it replaced 3.3.1957.0"}},
		{name: "silent since, a connection", fault: regressionSilent(facts.Known([]facts.Socket{{Remote: "52.119.181.21:443"}}, "file:/proc/net/tcp")), want: is(Pass, "3.3.2476.0 works")},
		{name: "silent since, connections that may be the agent's", fault: regressionSilent(facts.Partly([]facts.Socket{{Remote: "52.119.181.21:443", Unsure: true}}, "permission denied", "file:/proc/net/tcp")),
			want: is(Unknown, "connections of the agent: permission denied")},
		{name: "silent since, connections unread", fault: regressionSilent(facts.Unknown[[]facts.Socket]("permission denied", "")), want: is(Unknown, "connections of the agent: permission denied")},

		{name: "history known in part", fault: all(regressionUpdate(day), regressionCrashes, part), want: named("since it replaced 3.3.1957.0", "")},
		{name: "history known in part, works", fault: all(regressionUpdate(day), part), want: is(Unknown, "versions that started: permission denied")},
		{name: "history known in part, no update in it", fault: part, want: is(Unknown, "versions that started: permission denied")},
		{name: "log unread", fault: all(regressionUpdate(day), regressionFails, unreadLogOf), want: is(Unknown, "agent log: ")},
		{name: "runtime configuration unread", fault: all(regressionUpdate(day), regressionFails, func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}), want: is(Unknown, "runtime configuration: permission denied")},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: is(Unknown, "versions that started: not looked at")},
	}
	judge(t, AgentRegression, table)
	judgeUnread(t, AgentRegression, table)
}
