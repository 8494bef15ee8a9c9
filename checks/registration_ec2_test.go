package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestRegistrationEC2(t *testing.T) {
	t.Parallel()
	const entry = "ERROR [Registrar] failed to register identity: error calling RegisterManagedInstance API: AccessDeniedException"
	cloned := func(change func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Registration.EC2 = facts.Known(facts.Key{InstanceID: "i-0aaaaaaaaaaaaaaaa", HasPrivate: true}, "file:/var/lib/amazon/ssm/Vault/Store/EC2RegistrationKey")
			f.Registration.NodeFolders = facts.Known([]string{"i-0aaaaaaaaaaaaaaaa", "i-0a1b2c3d4e5f60718"}, "file:/var/lib/amazon/ssm")
			if change != nil {
				change(f)
			}
		}
	}
	refused := func(f *facts.Facts) {
		neverAccepted(f)
		log(f, facts.SigNotRegistered, 5*time.Minute, entry)
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := func(saw string) want {
		return want{status: Warn, effect: Breaks, cause: "registration-cloned-image", confidence: Likely, says: "is of i-0aaaaaaaaaaaaaaaa, from which the machine image was made, not of this instance, i-0a1b2c3d4e5f60718", saw: saw}
	}
	table := []row{
		{name: "dhmc", kind: "dhmc", want: is(Pass, "registered as i-0a1b2c3d4e5f60718")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "no EC2 registration is used")},
		{name: "task", kind: "task", want: is(Skip, "no EC2 registration is")},
		{name: "none", fault: func(f *facts.Facts) { f.Registration.EC2 = facts.Absent[facts.Key]("no such file", "") }, want: is(Skip, "no EC2 registration is stored")},
		{name: "of another instance, refused", kind: "dhmc", fault: cloned(refused), want: named("EC2RegistrationKey: i-0aaaaaaaaaaaaaaaa")},
		{name: "the refusal", kind: "dhmc", fault: cloned(refused), want: named("agent log: " + entry)},
		{name: "of another instance, not tried", kind: "dhmc", fault: cloned(nil), want: is(Pass, "the agent replaces the registration of i-0aaaaaaaaaaaaaaaa")},
		{name: "refused, and accepted since", kind: "dhmc", fault: cloned(func(f *facts.Facts) { log(f, facts.SigNotRegistered, time.Hour, entry) }), want: is(Pass, "the agent replaces")},
		{name: "log unread", kind: "dhmc", fault: cloned(unreadLogOf), want: is(Unknown, "agent log:")},
		{name: "registration unread", kind: "dhmc", fault: func(f *facts.Facts) { f.Registration.EC2 = facts.Unknown[facts.Key]("permission denied", "") }, want: is(Unknown, "EC2 registration: permission denied")},
		{name: "id unread", kind: "dhmc", fault: cloned(func(f *facts.Facts) { f.IMDS.InstanceID = facts.Unknown[string]("no answer in time", "") }), want: is(Unknown, "instance id: no answer in time")},
	}
	judge(t, RegistrationEC2, table)
	judgeUnread(t, RegistrationEC2, table)
}
