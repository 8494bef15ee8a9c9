package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// bootDown is an agent that ended before the run, on a host that booted 20 minutes ago.
func bootDown(f *facts.Facts) {
	neverAccepted(f)
	f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
	f.Host.BootTime = facts.Known(f.CollectedAt.Add(-20*time.Minute), "file:/proc/stat")
	u := &f.Agent.Units.Value[0]
	u.Active, u.Sub, u.StoppedSince = "inactive", "dead", f.CollectedAt.Add(-18*time.Minute)
}

// bootFailed is bootDown with a failure so long before the run.
func bootFailed(before time.Duration) func(*facts.Facts) {
	return func(f *facts.Facts) {
		bootDown(f)
		log(f, facts.SigIMDSFailed, before, "ERROR [EC2Identity] Failed to get instance info from IMDS")
	}
}

func TestImdsAtBoot(t *testing.T) {
	t.Parallel()
	after := func(change func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) { bootFailed(18 * time.Minute)(f); change(f) }
	}
	named := func(says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "imds-not-ready-at-boot", confidence: Likely, says: says, saw: saw, value: "unit=amazon-ssm-agent.service"}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Skip, "the agent runs")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "the agent runs")},
		{name: "gave up at boot", fault: bootFailed(18 * time.Minute), want: named("the agent gave up 2 min after boot", "agent log: ERROR [EC2Identity] Failed to get instance info from IMDS")},
		{name: "restart", fault: bootFailed(18 * time.Minute), want: named("was not started again; restart it", "state of amazon-ssm-agent.service: inactive (dead) (systemd:amazon-ssm-agent.service)")},
		{name: "the time of boot", fault: bootFailed(18 * time.Minute), want: named("", "boot: system boot (file:/proc/stat)")},
		{name: "metadata answers now", fault: bootFailed(18 * time.Minute), want: named("", "imds PUT /latest/api/token now: answers (imds:PUT /latest/api/token)")},
		{name: "the clock was set at boot", fault: bootFailed(21 * time.Minute), want: named("gave up 0 s after boot", "")},
		{name: "an older boot", fault: bootFailed(3 * time.Hour), want: is(Skip, "no failure at boot on record")},
		{name: "nothing failed", fault: bootDown, want: is(Skip, "no failure at boot on record")},
		{name: "failed later", fault: bootFailed(5 * time.Minute), want: is(Skip, "the last failure was not at boot")},
		{name: "metadata is still down", fault: after(func(f *facts.Facts) { f.IMDS.Token.Value.Token = false }), want: is(Skip, "does not answer now either")},
		{name: "not EC2", kind: "hybrid", fault: bootDown, want: is(Skip, "not an EC2 instance")},
		{name: "disabled", fault: after(func(f *facts.Facts) { f.Agent.Units.Value[0].Enabled = "disabled" }), want: is(Skip, "did not end its service itself")},
		{name: "no service", fault: after(func(f *facts.Facts) { f.Agent.Units = facts.Known([]facts.Unit{}, "systemctl show") }), want: is(Skip, "no service is meant to run the agent")},
		{name: "services unread", fault: after(func(f *facts.Facts) { f.Agent.Units = facts.Unknown[[]facts.Unit]("no bus", "") }), want: is(Unknown, "service: no bus")},
		{name: "EC2 or not", fault: after(func(f *facts.Facts) {
			f.Host.DMI, f.IMDS.InstanceID, f.Credentials.Runtime, f.Registration.EC2 = facts.DMI{}, facts.Seen[string]{}, facts.Absent[facts.Runtime]("no such file", ""), facts.Absent[facts.Key]("no such file", "")
		}), want: is(Unknown, "whether this is an EC2 instance is not known")},
		{name: "boot time unread", fault: after(func(f *facts.Facts) { f.Host.BootTime = facts.Unknown[time.Time]("permission denied", "") }), want: is(Unknown, "boot time: permission denied")},
		{name: "log unread", fault: after(unreadLogOf), want: is(Unknown, "agent log:")},
		{name: "log partly read", fault: func(f *facts.Facts) {
			bootFailed(5 * time.Minute)(f)
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "")
		}, want: is(Unknown, "agent log: errors.log")},
		{name: "metadata not asked", fault: after(func(f *facts.Facts) { f.IMDS.Token = facts.Unknown[facts.Exchange]("not asked", "") }), want: is(Unknown, "metadata service: not asked")},
		{name: "runtime configuration unread", fault: after(func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}), want: is(Unknown, "agent log: permission denied")},
		{name: "agent unread", fault: after(func(f *facts.Facts) { f.Agent = facts.Agent{} }), want: is(Unknown, "processes: not looked at")},
	}
	judge(t, ImdsAtBoot, table)
	judgeUnread(t, ImdsAtBoot, table)
}
