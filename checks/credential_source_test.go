package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// credentialSourceRefused is an instance without a profile whose agent logged a
// failure 5 minutes ago and was never accepted.
func credentialSourceRefused(signature, entry string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		log(f, signature, 5*time.Minute, entry)
	}
}

func TestCredentialSource(t *testing.T) {
	t.Parallel()
	const off = "ERROR EC2RoleProvider Systems Manager's instance management role is not configured for account: 111122223333"
	both := func(a, b func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) { a(f); b(f) }
	}
	refused := credentialSourceRefused(facts.SigDHMCOff, off)
	// noSource is an agent of before 3.2.1297, whose log no longer says what it chose.
	noSource := func(f *facts.Facts) {
		f.Credentials.Runtime.Value.Source, f.Credentials.Runtime.Value.HasSource = "", false
		var list []facts.Match
		for _, m := range f.Log.Matches.Value {
			if m.ID != facts.SigDHMCOK {
				list = append(list, m)
			}
		}
		f.Log.Matches.Value = list
	}
	vault := func(s facts.Seen[facts.Key]) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Registration.Hybrid = s
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}
	}
	asleep := func(f *facts.Facts) {
		f.Log.Backoff = facts.Known(facts.Backoff{Since: f.CollectedAt.Add(-5 * time.Minute), Seconds: 1500, Until: f.CollectedAt.Add(20 * time.Minute)}, "file:/var/log/amazon/ssm")
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := func(c Confidence, says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "no-credential-source", confidence: c, says: says, saw: saw}
	}
	table := []row{
		{name: "profile", want: is(Pass, "instance profile WebServerRole")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "Default Host Management")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "not an EC2 instance")},
		{name: "windows", kind: "windows", want: is(Skip, "not an EC2 instance")},
		{name: "task", kind: "task", want: is(Skip, "not an EC2 instance")},
		{name: "hybrid registration on EC2", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1", HasPrivate: true}, "")
			f.Credentials.Runtime.Value.IdentityType = "OnPrem"
		}, want: is(Skip, "the hybrid registration is used")},

		{name: "off", kind: "dhmc", fault: refused, want: named(Proven, "Default Host Management is off for this account and Region", "agent log: "+off)},
		{name: "off, the metadata", kind: "dhmc", fault: refused, want: named(Proven, "", "imds GET iam/info: 404, no instance profile attached (imds:GET /latest/meta-data/iam/info)")},
		{name: "off, and asleep", kind: "dhmc", fault: both(refused, asleep), want: named(Proven, "", "back-off: sleeping until 09:50:00 UTC")},
		{name: "off since it was used", kind: "dhmc", fault: func(f *facts.Facts) { log(f, facts.SigDHMCOff, time.Minute, off) }, want: want{status: Fail, effect: Ends, cause: "no-credential-source", confidence: Proven, says: "the node is still accepted, until 10:20:00 UTC (in 50 min)", saw: off}},
		{name: "dhmc failed", kind: "dhmc", fault: credentialSourceRefused(facts.SigDHMCFailed, "ERROR Failed to connect to Systems Manager with SSM role credentials"), want: named(Likely, "Default Host Management gives none", "with SSM role credentials")},
		{name: "not yet registered", kind: "dhmc", fault: credentialSourceRefused(facts.SigNotYetRegistered, "ec2 instance not yet registered with Systems Manager"), want: named(Likely, "gives none", "not yet registered")},
		{name: "profile failed", kind: "dhmc", fault: credentialSourceRefused(facts.SigProfileFailed, "no EC2 instance role found"), want: named(Likely, "gives none", "no EC2 instance role found")},
		{name: "nothing retrieved", kind: "dhmc", fault: both(neverAccepted, func(f *facts.Facts) {
			f.Log.Matches.Value = nil
			log(f, facts.SigCredsFailed, 5*time.Minute, "Retrieve credentials produced error")
		}), want: named(Likely, "gives none", "produced error")},
		{name: "hibernates", kind: "dhmc", fault: both(neverAccepted, func(f *facts.Facts) {
			f.Log.Matches.Value = nil
			log(f, facts.SigHibernate, 5*time.Minute, "Agent is in hibernate mode")
		}), want: named(Likely, "gives none", "hibernate mode")},
		{name: "accepted all the same", kind: "dhmc", fault: both(noSource, func(f *facts.Facts) { log(f, facts.SigProfileFailed, time.Minute, "no EC2 instance role found") }), want: want{status: Fail, effect: Ends, cause: "no-credential-source", confidence: Likely, says: "gives none"}},

		{name: "accepted", kind: "dhmc", fault: noSource, want: is(Pass, "accepted without an instance profile: Default Host Management")},
		{name: "off before it was accepted", kind: "dhmc", fault: func(f *facts.Facts) { log(f, facts.SigDHMCOff, time.Hour, off) }, want: is(Pass, "Default Host Management")},
		{name: "profile detached", fault: func(f *facts.Facts) {
			f.IMDS.Profile = facts.Absent[facts.Profile]("404", "imds:GET /latest/meta-data/iam/info")
		},
			want: want{status: Warn, effect: Breaks, cause: "no-credential-source", confidence: Possible, says: "unless Default Host Management is on, the node is lost at 10:20:00 UTC (in 50 min)", saw: "credentials in use: of the instance profile"}},
		{name: "agent before Default Host Management", kind: "dhmc", fault: both(neverAccepted, func(f *facts.Facts) { f.Agent.Running = facts.Known("3.1.1732.0", "file:/var/log/amazon/ssm/audits") }),
			want: want{status: Fail, effect: Blocks, cause: "no-credential-source", confidence: Proven, says: "agent 3.1.1732.0 cannot use Default Host Management, which needs 3.2.582.0", saw: "agent version: 3.1.1732.0", value: "version=3.2.582.0"}},
		{name: "nothing tried", kind: "dhmc", fault: both(neverAccepted, func(f *facts.Facts) { f.Log.Matches.Value = nil }), want: is(Unknown, "shows once the agent has tried")},
		{name: "started since", kind: "dhmc", fault: both(refused, func(f *facts.Facts) { log(f, facts.SigStart, time.Minute, "amazon-ssm-agent - v3.3.3050.0") }), want: is(Unknown, "the agent was started after its last refusal")},
		{name: "log unread", kind: "dhmc", fault: both(neverAccepted, unreadLogOf), want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "log unread, dhmc in use", kind: "dhmc", fault: unreadLogOf, want: is(Unknown, "agent log:")},
		{name: "runtime configuration unread", kind: "dhmc", fault: both(refused, func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("input/output error", "")
		}), want: is(Unknown, "agent log: input/output error")},
		{name: "profile unread", fault: func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer in time", "") }, want: is(Unknown, "instance profile: no answer in time")},
		{name: "configuration unread", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1", HasPrivate: true}, "")
			f.Agent.Config = facts.Unknown[facts.Config]("amazon-ssm-agent.json: permission denied", "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}, want: is(Unknown, "whether the agent may use its registration: amazon-ssm-agent.json: permission denied")},
		{name: "vault unread", fault: vault(facts.Unknown[facts.Key]("input/output error", "")), want: is(Unknown, "registration: input/output error")},
		{name: "vault needs root, profile", fault: vault(facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)), want: is(Pass, "WebServerRole")},
		{name: "vault needs root", kind: "dhmc", fault: both(refused, vault(facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot))), want: is(Unknown, "registration: permission denied")},
		{name: "EC2 or not", fault: func(f *facts.Facts) {
			f.Host.DMI, f.IMDS.InstanceID, f.Registration.EC2 = facts.DMI{}, facts.Seen[string]{}, facts.Absent[facts.Key]("no such file", "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}, want: is(Unknown, "whether this is an EC2 instance is not known")},
		{name: "task or not", fault: func(f *facts.Facts) { f.ECS = facts.ECS{} }, want: is(Unknown, "whether this is an EC2 instance is not known")},
	}
	judge(t, CredentialSource, table)
	judgeUnread(t, CredentialSource, table)
}
