package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestAgentVersion(t *testing.T) {
	t.Parallel()
	version := func(v string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Agent.Running, f.Agent.Installed = facts.Known(v, "file:/var/log/amazon/ssm/audits"), facts.Known(v, "rpm -q")
			f.Agent.Installations.Value[0].Version = f.Agent.Installed
		}
	}
	all := func(faults ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, fault := range faults {
				fault(f)
			}
		}
	}
	noProfile := func(f *facts.Facts) {
		f.IMDS.Profile = facts.Absent[facts.Profile]("404", "imds:GET /latest/meta-data/iam/info")
	}
	nowhere := func(f *facts.Facts) {
		f.Host.DMI, f.IMDS.InstanceID, f.Registration.EC2, f.Credentials.Runtime = facts.DMI{}, facts.Seen[string]{}, facts.Seen[facts.Key]{}, facts.Seen[facts.Runtime]{}
	}
	noVault := func(f *facts.Facts) {
		f.Registration.Hybrid = facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)
		f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "").Because(facts.NeedsRoot)
	}
	const cause = "agent-version-too-old"
	session := want{status: Warn, effect: Breaks, cause: cause, confidence: Proven, says: "agent 2.3.50.0 has no Session Manager, which needs 2.3.68.0", saw: "agent version: 2.3.50.0 (file:/var/log/amazon/ssm/audits)", value: "version=2.3.68.0"}
	packaged := session
	packaged.saw, packaged.value = "installed as: rpm 2.3.50.0 (rpm -q)", "package=rpm"
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "3.3.3050.0")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "3.3.3050.0")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "")},
		{name: "windows", kind: "windows", want: is(Pass, "")},
		{name: "task", kind: "task", want: is(Pass, "")},

		{name: "before Default Host Management", fault: all(neverAccepted, noProfile, version("3.1.1732.0")), want: is(Warn, "agent 3.1.1732.0 cannot use Default Host Management, which needs 3.2.582.0; an instance profile serves any release")},
		{name: "with a profile", fault: version("3.1.1732.0"), want: is(Pass, "3.1.1732.0")},
		{name: "the first with Default Host Management", fault: all(noProfile, version("3.2.582.0")), want: is(Pass, "")},
		{name: "with a hybrid registration", fault: all(noProfile, version("3.1.1732.0"), func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0123456789abcdef0", Region: "eu-central-1", HasPrivate: true}, "")
			f.Credentials.Runtime.Value.IdentityType = "OnPrem"
		}), want: is(Pass, "")},
		{name: "not on EC2", kind: "hybrid", fault: version("3.1.1732.0"), want: is(Pass, "")},
		{name: "EC2 or not", fault: all(version("3.1.1732.0"), noProfile, nowhere), want: is(Unknown, "whether this is an EC2 instance is not known; agent 3.1.1732.0 could not use Default Host Management, which needs 3.2.582.0")},
		{name: "vault unread", fault: all(version("3.1.1732.0"), noProfile, noVault), want: is(Unknown, "hybrid registration: permission denied; agent 3.1.1732.0")},
		{name: "profile unread", fault: all(version("3.1.1732.0"), func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer in time", "") }), want: is(Unknown, "instance profile: no answer in time")},
		{name: "profile unread, new enough", fault: func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer in time", "") }, want: is(Pass, "")},

		{name: "before Session Manager", fault: version("2.3.50.0"), want: session},
		{name: "before Session Manager, not accepted", fault: all(neverAccepted, version("2.3.50.0")), want: session},
		{name: "the package for the remedy", fault: version("2.3.50.0"), want: packaged},
		{name: "of 2021", fault: version("3.0.1124.0"), want: is(Warn, "agent 3.0.1124.0 is too old: released in 2021 or before; update it")},
		{name: "after 2021", fault: version("3.1.501.0"), want: is(Pass, "3.1.501.0")},

		{name: "installed only", fault: func(f *facts.Facts) {
			version("2.3.50.0")(f)
			f.Agent.Running = facts.Absent[string]("no start is recorded", "file:/var/log/amazon/ssm/audits")
		}, want: want{status: Warn, effect: Breaks, cause: cause, saw: "agent version: 2.3.50.0 (rpm -q)"}},
		{name: "no version", fault: version("today"), want: is(Unknown, `version "today" cannot be read`)},
		{name: "nothing installed", fault: func(f *facts.Facts) {
			f.Agent = facts.Agent{Installations: facts.Known([]facts.Installation{}, ""), Installed: facts.Absent[string]("no installation was found", "")}
		}, want: is(Skip, "no agent is installed")},
		{name: "version unread", fault: func(f *facts.Facts) {
			f.Agent.Running, f.Agent.Installed = facts.Seen[string]{}, facts.Unknown[string]("permission denied", "rpm -q")
		}, want: is(Unknown, "version: permission denied")},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: is(Unknown, "version: not looked at")},
	}
	judge(t, AgentVersion, table)
	judgeUnread(t, AgentVersion, table)
}
