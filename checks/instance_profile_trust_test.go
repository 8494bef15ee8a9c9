package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func trustBroken(f *facts.Facts) {
	neverAccepted(f)
	f.IMDS.Role.Value.Code, f.IMDS.Role.Value.Message = "AssumeRoleUnauthorizedAccess", "EC2 cannot assume the role"
}

func TestInstanceProfileTrust(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "healthy", want: want{status: Pass, says: "credentials of the role WebServerRole are given out"}},
		{name: "outside EC2", kind: "hybrid", want: want{status: Skip, says: "not an EC2 instance"}},
		{name: "no profile", kind: "dhmc", want: want{status: Skip, says: "no instance profile is attached"}},
		{name: "not trusted", fault: trustBroken, want: want{status: Fail, effect: Blocks, cause: "instance-profile-trust-broken", confidence: Proven, says: "(AssumeRoleUnauthorizedAccess)", saw: "imds GET iam/security-credentials/WebServerRole: Code AssumeRoleUnauthorizedAccess", value: "role=WebServerRole"}},
		{name: "only iam/info tells", fault: func(f *facts.Facts) {
			f.IMDS.Role = facts.Unknown[facts.Role]("no answer", "imds")
			f.IMDS.Profile.Value.Code = "InstanceProfileNotFound"
		}, want: want{status: Fail, effect: Blocks, cause: "instance-profile-trust-broken", says: "(InstanceProfileNotFound)"}},
		{name: "not needed by a hybrid node", fault: func(f *facts.Facts) {
			trustBroken(f)
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0a1b2c3d4e5f60718", Region: "eu-central-1", HasPrivate: true}, "file:key")
		}, want: want{status: Warn, effect: Notes, cause: "instance-profile-trust-broken"}},
		{name: "profile unread", fault: func(f *facts.Facts) {
			f.IMDS.Profile, f.IMDS.Role = facts.Unknown[facts.Profile]("no answer", "imds"), facts.Unknown[facts.Role]("no answer", "imds")
		}, want: want{status: Unknown, says: "instance profile: no answer"}},
		{name: "no code", fault: func(f *facts.Facts) { f.IMDS.Role.Value.Code = "" }, want: want{status: Unknown, says: "credentials of the role"}},
	}
	judge(t, InstanceProfileTrust, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, InstanceProfileTrust, table) })
}
