package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestRegistrationIdentity(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "outside EC2", kind: "hybrid", want: want{status: Skip, says: "not an EC2 instance"}},
		{name: "healthy", want: want{status: Pass, says: "no hybrid registration is in use"}},
		{name: "a registration on EC2", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0a1b2c3d4e5f60718", Region: "eu-central-1", HasPrivate: true}, "file:key")
		}, want: want{status: Warn, effect: Breaks, cause: "hybrid-registration-on-ec2", confidence: Proven, says: "mi-0a1b2c3d4e5f60718", saw: "imds GET instance-id: i-"}},
		{name: "vault unread", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "").Because(facts.NeedsRoot)
		}, want: want{status: Unknown, says: "registration: permission denied"}},
		{name: "firmware unread", fault: func(f *facts.Facts) {
			f.Host.DMI, f.IMDS = facts.DMI{}, facts.IMDS{}
			f.Registration, f.Credentials = facts.Registration{}, facts.Credentials{}
		}, want: want{status: Unknown, says: "whether this is an EC2 instance"}},
	}
	judge(t, RegistrationIdentity, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, RegistrationIdentity, table) })
}
