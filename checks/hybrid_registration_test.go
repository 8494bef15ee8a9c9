package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

// hybridKey is a host with another registration key, which was never accepted.
func hybridKey(key facts.Seen[facts.Key]) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		f.Registration.Hybrid = key
	}
}

func TestHybridRegistration(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "an EC2 instance", want: want{status: Skip, says: "an EC2 instance needs no registration"}},
		{name: "a task", kind: "task", want: want{status: Skip, says: "an ECS task needs no registration"}},
		{name: "registered", kind: "hybrid", want: want{status: Pass, says: "registered as mi-"}},
		{name: "no key", kind: "hybrid", fault: hybridKey(facts.Absent[facts.Key]("no such file", "file:key")), want: want{status: Fail, effect: Blocks, cause: "hybrid-not-registered", confidence: Proven, says: "holds no hybrid registration", saw: "RegistrationKey: does not exist"}},
		{name: "cleared", kind: "hybrid", fault: hybridKey(facts.Known(facts.Key{}, "file:key")), want: want{status: Fail, effect: Blocks, cause: "hybrid-not-registered", saw: "blank: the registration was cleared"}},
		{name: "failed attempt", kind: "hybrid", fault: hybridKey(facts.Known(facts.Key{HasPrivate: true}, "file:key")), want: want{status: Fail, effect: Blocks, cause: "hybrid-not-registered", saw: "an attempt to register failed"}},
		{name: "order leaves it out", kind: "hybrid", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Agent.Config = facts.Known(facts.Config{ConsumptionOrder: []string{"EC2"}}, "file:config")
		}, want: want{status: Fail, effect: Blocks, cause: "hybrid-not-registered", saw: "leaves out OnPrem"}},
		{name: "vault unread", kind: "hybrid", fault: func(f *facts.Facts) {
			hybridKey(facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot))(f)
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}, want: want{status: Unknown, says: "registration: permission denied"}},
		{name: "configuration unread", kind: "hybrid", fault: func(f *facts.Facts) { f.Agent.Config = facts.Unknown[facts.Config]("permission denied", "") }, want: want{status: Unknown, says: "permission denied"}},
		{name: "firmware unread", kind: "hybrid", fault: func(f *facts.Facts) { f.Host.DMI = facts.DMI{} }, want: want{status: Unknown, says: "whether this is an EC2 instance"}},
	}
	judge(t, HybridRegistration, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, HybridRegistration, table) })
}
