package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestImdsV2Agent(t *testing.T) {
	t.Parallel()
	old := func(change func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			neverAccepted(f)
			f.Agent.Running, f.Agent.Installed = facts.Known("2.3.612.0", "file:/var/log/amazon/ssm/audits"), facts.Known("2.3.612.0", "rpm -q")
			if change != nil {
				change(f)
			}
		}
	}
	named := func(says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: "imdsv2-required-old-agent", confidence: Likely, says: says, saw: saw, value: value}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	registered := func(f *facts.Facts) {
		f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0a1b2c3d4e5f60718", Region: "eu-central-1", HasPrivate: true}, "file:/var/lib/amazon/ssm/Vault/Store/RegistrationKey")
		f.Credentials.Runtime.Value.IdentityType = "OnPrem"
	}
	table := []row{
		{name: "profile", want: is(Pass, "agent 3.3.3050.0 speaks IMDSv2")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "speaks IMDSv2")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "does not use the metadata service here")},
		{name: "windows", kind: "windows", want: is(Skip, "does not use the metadata service here")},
		{name: "old agent", fault: old(nil), want: named("agent 2.3.612.0 most likely speaks only IMDSv1, but this instance requires IMDSv2 tokens", "agent version: 2.3.612.0 (file:/var/log/amazon/ssm/audits)", "version=2.3.842.0")},
		{name: "tokens are required", fault: old(nil), want: named("", "imds GET without token: 401 (imds:GET /latest/meta-data/ without token)", "package=rpm")},
		{name: "accepted all the same", fault: func(f *facts.Facts) { f.Agent.Running = facts.Known("2.3.612.0", "file:/var/log/amazon/ssm/audits") },
			want: is(Pass, "is accepted, so it can read metadata as they are")},
		{name: "IMDSv1 allowed", fault: old(func(f *facts.Facts) { f.IMDS.V1Allowed = facts.Known(true, "imds") }), want: is(Warn, "IMDSv1, which is still allowed here")},
		{name: "IMDSv1 not asked", fault: old(func(f *facts.Facts) { f.IMDS.V1Allowed = facts.Unknown[bool]("no answer in time", "imds") }), want: is(Unknown, "whether IMDSv1 is allowed: no answer in time")},
		{name: "hybrid registration on EC2", fault: old(registered), want: is(Skip, "does not use the metadata service here")},
		{name: "registration unread", fault: old(func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("permission denied", "")
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}), want: is(Unknown, "registration: permission denied")},
		{name: "no version", fault: func(f *facts.Facts) {
			f.Agent.Running, f.Agent.Installed = facts.Seen[string]{}, facts.Unknown[string]("rpm: no database", "rpm -q")
		}, want: is(Unknown, "version: rpm: no database")},
		{name: "unreadable version", fault: func(f *facts.Facts) { f.Agent.Running = facts.Known("latest", "log") }, want: is(Unknown, "latest cannot be compared")},
		{name: "EC2 or not", fault: old(func(f *facts.Facts) {
			f.Host.DMI, f.IMDS.InstanceID, f.Credentials.Runtime, f.Registration.EC2 = facts.DMI{}, facts.Seen[string]{}, facts.Absent[facts.Runtime]("no such file", ""), facts.Absent[facts.Key]("no such file", "")
		}), want: is(Unknown, "whether this is an EC2 instance is not known")},
	}
	judge(t, ImdsV2Agent, table)
	judgeUnread(t, ImdsV2Agent, table)
}
