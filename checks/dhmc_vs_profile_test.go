package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestDhmcVsProfile(t *testing.T) {
	t.Parallel()
	passed := "WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials"
	// shadowed has a profile attached that the agent passes over.
	shadowed := func(changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Credentials.Runtime.Value.Source = "SSM"
			log(f, facts.SigProfileFailed, 2*time.Hour, passed)
			log(f, facts.SigDHMCOK, 2*time.Hour, "INFO EC2RoleProvider Successfully connected with Systems Manager role credentials")
			for _, change := range changes {
				change(f)
			}
		}
	}
	const user = "User: arn:aws:sts::111122223333:assumed-role/AWSSystemsManagerDefaultEC2InstanceManagementRole/i-0a1b2c3d4e5f60718 is not authorized to perform: "
	denied := func(before time.Duration, action string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			refuse(f, facts.SigDownload, before, "AccessDeniedException", user+action+" on resource: arn:aws:s3:::bucket/key because no identity-based policy allows the "+action+" action")
		}
	}
	// logOnly is an agent of before 3.2.1297: only its log says what it chose.
	logOnly := func(f *facts.Facts) {
		f.Credentials.Runtime.Value.Source, f.Credentials.Runtime.Value.HasSource = "", false
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	notes := func(saw, value string) want {
		return want{status: Warn, effect: Notes, cause: "dhmc-shadows-profile", confidence: Likely, says: "the permissions of the attached role WebServerRole do not apply", saw: saw, value: value}
	}
	breaks := func(saw string) want { w := notes(saw, ""); w.effect = Breaks; return w }
	const not = "not both a profile and Default Host Management"
	table := []row{
		{name: "profile", want: is(Skip, not)},
		{name: "dhmc", kind: "dhmc", want: is(Skip, not)},
		{name: "hybrid", kind: "hybrid", want: is(Skip, not)},
		{name: "windows", kind: "windows", want: is(Skip, not)},
		{name: "task", kind: "task", want: is(Skip, not)},

		{name: "shadowed", fault: shadowed(), want: notes("CredentialSource: SSM (file:/var/lib/amazon/ssm/runtimeconfig/identity_config.json)", "role=WebServerRole")},
		{name: "shadowed, the metadata", fault: shadowed(), want: notes("imds GET iam/info: WebServerRole (imds:GET /latest/meta-data/iam/info)", "profile=WebServerRole")},
		{name: "shadowed, why", fault: shadowed(), want: notes("agent log: "+passed, "")},
		{name: "shadowed, by the log", fault: shadowed(logOnly), want: notes("agent log: INFO EC2RoleProvider Successfully connected with Systems Manager role", "")},
		{name: "shadowed, log unread", fault: shadowed(unreadLogOf), want: notes("CredentialSource: SSM", "")},
		{name: "a feature is refused", fault: shadowed(denied(time.Hour, "s3:GetObject")), want: breaks("is not authorized to perform: s3:GetObject")},
		{name: "refused days ago", fault: shadowed(denied(48*time.Hour, "s3:GetObject")), want: notes("", "")},
		{name: "the channel is refused", fault: shadowed(denied(time.Hour, "ssmmessages:CreateControlChannel")), want: notes("", "")},
		{name: "the profile was tried last", fault: shadowed(logOnly, func(f *facts.Facts) {
			log(f, facts.SigProfileOK, time.Hour, "INFO EC2RoleProvider Successfully connected with instance profile role credentials")
		}), want: is(Skip, not)},

		{name: "hybrid or not", fault: shadowed(func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1", HasPrivate: true}, "")
			f.Agent.Config = facts.Unknown[facts.Config]("amazon-ssm-agent.json: permission denied", "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}), want: is(Unknown, "whether the agent may use its registration: amazon-ssm-agent.json: permission denied")},
		{name: "profile unread", fault: shadowed(func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer in time", "") }), want: is(Unknown, "instance profile: no answer in time")},
		{name: "dhmc or not", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}, want: is(Unknown, "whether the agent uses Default Host Management is not known")},
	}
	judge(t, DhmcVsProfile, table)
	judgeUnread(t, DhmcVsProfile, table)
}
