package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// clockOff makes the clock of the host differ by so many seconds from that of AWS.
func clockOff(seconds float64) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Network.Skew = facts.Known(seconds, "https:Date of ssm.eu-central-1.amazonaws.com")
	}
}

// clockRefused is a refusal of the agent for the time of its request.
func clockRefused(f *facts.Facts) {
	neverAccepted(f)
	log(f, facts.SigClock, 2*time.Minute, "ERROR InvalidSignatureException: Signature expired: 20261122T090000Z is now earlier than 20261122T092500Z")
}

func clockUnread(f *facts.Facts) {
	f.Network.Skew = facts.Unknown[float64]("no endpoint answered with its time", "")
}

func TestClock(t *testing.T) {
	t.Parallel()
	named := func(c Confidence, says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "clock-skew", confidence: c, says: says, saw: saw}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "within 0 s of AWS time")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "within")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "within")},
		{name: "windows", kind: "windows", want: is(Pass, "within")},
		{name: "task", kind: "task", want: is(Unknown, "server time: no Region is known")},
		{name: "a little", fault: clockOff(-59.2), want: is(Pass, "within 60 s of AWS time")},

		{name: "near the limit", fault: clockOff(61), want: is(Warn, "the clock of this host is 61 s behind AWS time; AWS refuses requests from 5 min on")},
		{name: "near the limit, fast", fault: clockOff(-299), want: is(Warn, "299 s ahead of AWS time")},
		{name: "slow", fault: clockOff(1800), want: named(Proven, "the clock of this host is 30 min behind AWS time; AWS refuses requests that are more than 5 min off", "clock of this host minus the Date header of AWS: -1800 s (https:Date of ssm.eu-central-1.amazonaws.com)")},
		{name: "fast", fault: clockOff(-345), want: named(Proven, "345 s ahead of AWS time", "time synchronisation: synchronized: true (adjtimex)")},
		{name: "at the limit", fault: clockOff(300), want: named(Proven, "300 s behind AWS time", "")},
		{name: "slow, and refused", fault: netAll(clockRefused, clockOff(1800)), want: named(Proven, "", "agent log: ERROR InvalidSignatureException")},
		{name: "refused, server time not known", fault: netAll(clockRefused, clockUnread), want: named(Likely, "AWS refused the agent's requests because of their time: the clock or the time zone of this host is wrong, slow or fast", "agent log: ERROR InvalidSignatureException")},
		{name: "refused, synchronisation", fault: netAll(clockRefused, clockUnread, func(f *facts.Facts) { f.Host.NTPSynchronized = facts.Known(false, "adjtimex") }), want: named(Likely, "", "time synchronisation: synchronized: false")},
		{name: "refused, set since, server time not known", fault: netAll(clockRefused, clockUnread, func(f *facts.Facts) {
			f.Host.BootTime = facts.Known(f.CollectedAt.Add(-time.Minute), "file:/proc/stat")
			log(f, facts.SigStart, 5*time.Minute, "amazon-ssm-agent - v3.3.3050.0")
		}), want: is(Unknown, "and the clock was set since")},
		{name: "refused, accepted since", fault: netAll(clockUnread, func(f *facts.Facts) { log(f, facts.SigClock, time.Hour, "Signature expired:") }), want: is(Unknown, "server time: no endpoint answered with its time")},

		{name: "refused, nobody asked for the time", fault: netAll(clockRefused, func(f *facts.Facts) { f.Network.Skew = facts.Seen[float64]{} }),
			want: want{status: Unknown, effect: Blocks, says: "AWS refused the agent's requests because of their time; server time: not looked at"}},
		{name: "not known", fault: clockUnread, want: is(Unknown, "server time: no endpoint answered")},
		{name: "not known, log unread", fault: netAll(clockUnread, unreadLogOf), want: is(Unknown, "server time: no endpoint answered")},
		{name: "log unread", fault: unreadLogOf, want: is(Pass, "within")},
		{name: "offline", fault: netOffline, want: is(Unknown, "server time: offline")},
	}
	judge(t, Clock, table)
	judgeUnread(t, Clock, table)
}
