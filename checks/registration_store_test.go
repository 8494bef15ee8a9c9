package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func storeDamage(f *facts.Facts) {
	f.Registration.Damage = facts.Known([]facts.Damage{{Path: "/var/lib/amazon/ssm/Vault/Store/RegistrationKey", Kind: "truncated", What: "ends in the middle of a value"}}, "file:vault")
}

func TestRegistrationStore(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "healthy", want: want{status: Pass, says: "no damage seen"}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass}},
		{name: "damage", kind: "hybrid", fault: func(f *facts.Facts) { neverAccepted(f); storeDamage(f) }, want: want{status: Fail, effect: Blocks, cause: "registration-store-damaged", confidence: Proven, says: "cannot be used: ends in the middle", saw: "truncated", value: "path=/var/lib/amazon/ssm/Vault"}},
		{name: "damage of a node that is accepted", kind: "hybrid", fault: storeDamage, want: want{status: Warn, effect: Breaks, cause: "registration-store-damaged"}},
		{name: "damage beside an instance profile", fault: func(f *facts.Facts) { neverAccepted(f); storeDamage(f) }, want: want{status: Warn, effect: Notes, cause: "registration-store-damaged"}},
		{name: "lost key of an instance", kind: "dhmc", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Registration.EC2 = facts.Absent[facts.Key]("no such file", "file:key")
			log(f, facts.SigAlreadyRegistered, time.Minute, "Instance appears to already be registered")
		}, want: want{status: Fail, effect: Blocks, cause: "registration-store-damaged", confidence: Likely, says: "already registered", saw: "EC2RegistrationKey: no such file"}},
		{name: "the agent says so", kind: "hybrid", fault: func(f *facts.Facts) {
			neverAccepted(f)
			log(f, facts.SigVaultManifest, time.Minute, "failed to unmarshal vault manifest")
		}, want: want{status: Fail, effect: Blocks, cause: "registration-store-damaged", says: "the agent cannot use its vault"}},
		{name: "key gone", kind: "hybrid", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "file:key")
			f.Registration.Informational = facts.Known(facts.Informational{InstanceID: "mi-0a1b2c3d4e5f60718", Region: "eu-central-1"}, "file:registration")
		}, want: want{status: Fail, effect: Blocks, cause: "registration-store-damaged", says: "was registered as mi-0a1b2c3d4e5f60718", saw: "RegistrationKey: does not exist"}},
		{name: "vault unread", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)
		}, want: want{status: Unknown, says: "vault: permission denied"}},
		{name: "damage unread", kind: "hybrid", fault: func(f *facts.Facts) { f.Registration.Damage = facts.Unknown[[]facts.Damage]("permission denied", "") }, want: want{status: Unknown, says: "vault: permission denied"}},
		{name: "log unread", fault: unreadLogOf, want: want{status: Unknown, says: "permission denied"}},
	}
	judge(t, RegistrationStore, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, RegistrationStore, table) })
}
