package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestInstanceProfileTrust(t *testing.T) {
	t.Parallel()
	const message = "EC2 cannot assume the role WebServerRole."
	// broken is what the metadata service says of a role that EC2 cannot assume.
	broken := func(changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			r := &f.IMDS.Role.Value
			r.Code, r.Message, r.Expires = "AssumeRoleUnauthorizedAccess", message, time.Time{}
			for _, change := range changes {
				change(f)
			}
		}
	}
	// ended is a metadata service that gives out credentials which had ended.
	ended := func(changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.IMDS.Role.Value.Expires = f.CollectedAt.Add(-2 * time.Hour)
			for _, change := range changes {
				change(f)
			}
		}
	}
	// unknownKey is a role whose credentials AWS refuses, wherever this run signed with them.
	unknownKey := func(code string, changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for i := range f.Permissions.Identities.Value {
				if id := &f.Permissions.Identities.Value[i]; id.Source == facts.SourceProfile {
					id.Outcome, id.Code = facts.CallRefused, code
				}
			}
			for i := range f.Permissions.Actions.Value {
				f.Permissions.Actions.Value[i].Verdict, f.Permissions.Actions.Value[i].Code = facts.Inconclusive, code
			}
			for _, change := range changes {
				change(f)
			}
		}
	}
	roleUnread := func(f *facts.Facts) { f.IMDS.Role = facts.Unknown[facts.Role]("no answer in time", "") }
	profileUnread := func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer in time", "") }
	profileCode := func(code string) func(*facts.Facts) {
		return func(f *facts.Facts) { f.IMDS.Profile.Value.Code = code; f.IMDS.Profile.Value.Message = "gone" }
	}
	byRegistration := func(f *facts.Facts) {
		f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1", HasPrivate: true}, "")
		f.Credentials.Runtime.Value.IdentityType = "OnPrem"
	}
	vault := func(s facts.Seen[facts.Key]) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Registration.Hybrid = s
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := func(effect Effect, says, saw, value string) want {
		w := want{status: Warn, effect: effect, cause: "instance-profile-trust-broken", confidence: Proven, says: says, saw: saw, value: value}
		if effect >= Ends {
			w.status = Fail
		}
		return w
	}
	const says = "EC2 cannot assume the role WebServerRole (AssumeRoleUnauthorizedAccess)"
	table := []row{
		{name: "profile", want: is(Pass, "credentials of the role WebServerRole are given out")},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "no instance profile is attached")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "not an EC2 instance")},
		{name: "windows", kind: "windows", want: is(Skip, "not an EC2 instance")},
		{name: "task", kind: "task", want: is(Skip, "not an EC2 instance")},

		{name: "ended where they are given out", fault: ended(neverAccepted), want: named(Blocks, "the metadata service gives out credentials of the role WebServerRole that ended 2 h ago: EC2 does not renew them", "imds GET iam/security-credentials/WebServerRole: Success, valid until", "profile=WebServerRole")},
		{name: "ended by a clock that is wrong", fault: ended(neverAccepted, func(f *facts.Facts) { f.Network.Skew.Value = 9000 }), want: want{status: Unknown, effect: Blocks, says: "by the clock of this host, which is wrong"}},
		{name: "ended by a clock that was not compared", fault: ended(neverAccepted, func(f *facts.Facts) { f.Network.Skew = facts.Unknown[float64]("not asked", "") }), want: want{status: Unknown, effect: Blocks, says: "which was not compared with that of AWS"}},

		{name: "unknown to AWS", fault: unknownKey("InvalidClientTokenId", neverAccepted), want: want{status: Fail, effect: Blocks, cause: "instance-profile-trust-broken", confidence: Likely, says: "AWS does not know the credentials that the metadata service gives out for the role WebServerRole (InvalidClientTokenId)", value: "role=WebServerRole"}},
		{name: "unknown to AWS, while the node is accepted", fault: unknownKey("ExpiredToken"), want: is(Pass, "credentials of the role WebServerRole are given out")},
		{name: "whether AWS knows them not asked", fault: func(f *facts.Facts) { neverAccepted(f); f.Permissions = facts.Permissions{} }, want: is(Unknown, "whether AWS knows them was not asked")},
		{name: "a signature that does not match", fault: unknownKey("SignatureDoesNotMatch", neverAccepted), want: is(Pass, "credentials of the role WebServerRole are given out")},
		{name: "sts does not know them, and ssm does", fault: unknownKey("InvalidClientTokenId", neverAccepted, func(f *facts.Facts) { f.Permissions.Actions.Value[0].Verdict = facts.AllowedProven }), want: is(Pass, "credentials of the role WebServerRole are given out")},
		{name: "broken", fault: broken(neverAccepted), want: named(Blocks, says, "imds GET iam/security-credentials/WebServerRole: Code AssumeRoleUnauthorizedAccess "+message+" (imds:GET /latest/meta-data/iam/security-credentials/WebServerRole)", "role=WebServerRole")},
		{name: "broken, and in the log", fault: broken(neverAccepted, func(f *facts.Facts) {
			log(f, facts.SigProfileFailed, 5*time.Minute, "EC2RoleRequestError: no EC2 instance role found")
		}), want: named(Blocks, says, "agent log: EC2RoleRequestError", "profile=WebServerRole")},
		{name: "broken, log unread", fault: broken(neverAccepted, unreadLogOf), want: named(Blocks, says, "", "")},
		{name: "credentials not run out yet", fault: broken(), want: named(Ends, says, "", "")},
		{name: "by the profile", fault: func(f *facts.Facts) { neverAccepted(f); roleUnread(f); profileCode("InstanceProfileNotFound")(f) }, want: named(Blocks, "(InstanceProfileNotFound)", "Code InstanceProfileNotFound gone (imds:GET /latest/meta-data/iam/info)", "role=WebServerRole")},
		{name: "accepted by dhmc", fault: broken(func(f *facts.Facts) { f.Credentials.Runtime.Value.Source = "SSM" }), want: named(Breaks, says, "", "")},
		{name: "accepted by dhmc, which was refused since", fault: broken(func(f *facts.Facts) {
			f.Credentials.Runtime.Value.Source = "SSM"
			log(f, facts.SigDHMCOff, time.Minute, "instance management role is not configured for account")
		}), want: named(Ends, says, "", "")},
		{name: "dhmc, and not accepted", fault: broken(neverAccepted, func(f *facts.Facts) {
			f.Credentials.Runtime.Value.Source = "SSM"
			f.Credentials.Runtime.Value.ExpiresAt = f.CollectedAt.Add(-time.Minute)
		}), want: named(Blocks, says, "", "")},
		{name: "hybrid registration on EC2", fault: broken(byRegistration), want: named(Notes, says, "", "")},

		{name: "role unread, and the profile fine", fault: roleUnread, want: is(Unknown, "credentials of the role: no answer in time")},
		{name: "the role counts", fault: profileCode("InstanceProfileNotFound"), want: is(Pass, "credentials of the role WebServerRole")},
		{name: "only the role read", fault: profileUnread, want: is(Pass, "credentials of the role WebServerRole")},
		{name: "only the role read, broken", fault: broken(neverAccepted, profileUnread), want: named(Blocks, says, "", "")},
		{name: "profile unread", fault: func(f *facts.Facts) { profileUnread(f); roleUnread(f) }, want: is(Unknown, "instance profile: no answer in time")},
		{name: "no code", fault: func(f *facts.Facts) { roleUnread(f); profileCode("")(f) }, want: is(Unknown, "credentials of the role: no answer in time")},
		{name: "no code of the role", fault: func(f *facts.Facts) { f.IMDS.Role.Value.Code = "" }, want: is(Unknown, "the metadata service gives no Code for the role WebServerRole")},
		{name: "needed or not", fault: broken(vault(facts.Unknown[facts.Key]("input/output error", ""))), want: is(Unknown, "whether the node needs it is not known")},
		{name: "vault needs root", fault: broken(neverAccepted, vault(facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot))), want: named(Blocks, says, "", "")},
		{name: "EC2 or not", fault: func(f *facts.Facts) {
			f.Host.DMI, f.IMDS.InstanceID, f.Registration.EC2 = facts.DMI{}, facts.Seen[string]{}, facts.Absent[facts.Key]("no such file", "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}, want: is(Unknown, "whether this is an EC2 instance is not known")},
	}
	judge(t, InstanceProfileTrust, table)
	judgeUnread(t, InstanceProfileTrust, table)
}
