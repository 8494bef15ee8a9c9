package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// lateStart is a host that was booted 20 minutes ago, and whose agent started so long
// after that by the clock of then, and was refused.
func lateStart(after time.Duration) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		f.Host.BootTime = facts.Known(f.CollectedAt.Add(-20*time.Minute), "file:/proc/stat")
		log(f, facts.SigStart, 20*time.Minute-after, "amazon-ssm-agent - v3.3.3050.0")
		log(f, facts.SigClock, 19*time.Minute-after, "ERROR InvalidSignatureException: Signature expired: 20261122T081000Z is now earlier than 20261122T083500Z (20261122T084000Z - 5 min.)")
	}
}

func TestClockAtBoot(t *testing.T) {
	t.Parallel()
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "accepted")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "accepted")},
		{name: "nothing refused", fault: neverAccepted, want: is(Skip, "no request was refused for its time")},
		{name: "late at boot", fault: lateStart(-30 * time.Minute), want: want{status: Fail, effect: Blocks, cause: "clock-late-at-boot", confidence: Likely,
			says: "the clock was set only after the agent's start at boot", saw: "before the boot: the clock was set forward since"}},
		{name: "late at boot, by how much", fault: lateStart(-30 * time.Minute), want: want{status: Fail, effect: Blocks, cause: "clock-late-at-boot", says: "(it was 30 min slow)", saw: "agent log: ERROR InvalidSignatureException"}},
		{name: "late at boot, no jump to be seen", fault: lateStart(time.Minute), want: want{status: Fail, effect: Blocks, cause: "clock-late-at-boot", saw: "start of the agent: within 15 min after the boot"}},
		{name: "fast at boot", fault: lateStart(2 * time.Hour), want: want{status: Fail, effect: Blocks, cause: "clock-late-at-boot", saw: "ahead of now: the clock was set back since"}},
		{name: "late at boot, and still wrong", fault: netAll(lateStart(-30*time.Minute), clockOff(1800)), want: is(Skip, "the clock is wrong now")},
		{name: "late at boot, server time not known", fault: netAll(lateStart(-30*time.Minute), clockUnread), want: is(Unknown, "server time: no endpoint answered")},
		{name: "late at boot, accepted since", fault: netAll(lateStart(-30*time.Minute), func(f *facts.Facts) { log(f, facts.SigHealthOK, time.Minute, "HealthCheck reporting agent health.") }), want: is(Skip, "no request was refused for its time")},
		{name: "late at boot, started again since", fault: netAll(lateStart(-30*time.Minute), func(f *facts.Facts) { log(f, facts.SigStart, time.Minute, "amazon-ssm-agent - v3.3.3050.0") }), want: is(Skip, "long after the boot")},
		{name: "mended hours after the boot", fault: netAll(lateStart(time.Minute), func(f *facts.Facts) { f.Host.BootTime.Value = f.CollectedAt.Add(-9 * time.Hour) }), want: is(Skip, "long after the boot")},
		{name: "late at boot or not, boot not known", fault: netAll(lateStart(-30*time.Minute), func(f *facts.Facts) { f.Host.BootTime = facts.Seen[time.Time]{} }), want: is(Unknown, "boot time: not looked at")},
		{name: "the agent does not run", fault: netAll(lateStart(-30*time.Minute), func(f *facts.Facts) { f.Agent.Processes = facts.Known(facts.Processes{}, "") }), want: is(Skip, "does not run")},
	}
	judge(t, ClockAtBoot, table)
	judgeUnread(t, ClockAtBoot, table)
}
