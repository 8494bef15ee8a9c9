package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// knownRefused is a hybrid node, not accepted, whose id was refused 5 minutes ago.
func knownRefused(f *facts.Facts) {
	neverAccepted(f)
	log(f, facts.SigInvalidInstance, 5*time.Minute, knownRefusal)
}

const knownRefusal = "ERROR [HealthCheck] error when calling AWS APIs. error details - InvalidInstanceId: null"

// knownAsked is a host whose id was refused when this program asked.
func knownAsked(identity string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Permissions.Actions = facts.Known([]facts.Permission{{Action: "ssm:ListInstanceAssociations", Identity: identity, Verdict: facts.Inconclusive,
			Code: "InvalidInstanceId", Message: "the instance is not valid", From: "ssm:ListInstanceAssociations", At: f.CollectedAt}}, "")
	}
}

func TestRegistrationKnown(t *testing.T) {
	t.Parallel()
	const next = "mi-0aaaaaaaaaaaaaaaa"
	after := func(changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			knownRefused(f)
			for _, change := range changes {
				change(f)
			}
		}
	}
	runtimeUnread := func(f *facts.Facts) {
		f.Credentials.Runtime = facts.Unknown[facts.Runtime]("identity_config.json: permission denied", "")
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	orphaned := func(c Confidence, says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "registration-orphaned", confidence: c, says: says, saw: saw}
	}
	table := []row{
		{name: "profile", want: is(Skip, "no hybrid registration in use")},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "no hybrid registration in use")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "accepted ")},
		{name: "windows", kind: "windows", want: is(Pass, "accepted ")},
		{name: "refused", kind: "hybrid", fault: knownRefused, want: orphaned(Likely, "the service does not know mi-0f1e2d3c4b5a69788 any more: the registration was deleted, or belongs to another account or Region", "agent log: "+knownRefusal)},
		{name: "refused on Windows", kind: "windows", fault: knownRefused, want: orphaned(Likely, "does not know mi-0f1e2d3c4b5a69788 any more", "agent log: "+knownRefusal)},
		{name: "the registration", kind: "hybrid", fault: knownRefused, want: orphaned(Likely, "", "registration in use: mi-0f1e2d3c4b5a69788 eu-central-1 (file:/var/lib/amazon/ssm/Vault/Store/RegistrationKey)")},
		{name: "refused when asked as an instance", fault: knownAsked(facts.SourceProfile), want: is(Skip, "no hybrid registration in use")},
		{name: "refused on an instance", fault: knownRefused, want: is(Skip, "no hybrid registration in use")},
		{name: "registered again, not restarted", kind: "hybrid", fault: after(func(f *facts.Facts) { f.Registration.Hybrid.Value.InstanceID = next }), want: orphaned(Likely, "the agent still uses mi-0f1e2d3c4b5a69788, which the service refuses; this host was registered again as "+next, "registration in the vault: "+next+" eu-central-1")},
		{name: "restarted", kind: "hybrid", fault: after(func(f *facts.Facts) { log(f, facts.SigStart, time.Minute, "INFO amazon-ssm-agent - v3.3.3050.0") }), want: is(Unknown, "the agent was started after the id was refused")},
		{name: "accepted since", kind: "hybrid", fault: func(f *facts.Facts) { log(f, facts.SigInvalidInstance, time.Hour, knownRefusal) }, want: is(Pass, "accepted ")},
		{name: "log unread", kind: "hybrid", fault: after(unreadLogOf), want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "runtime configuration unread", kind: "hybrid", fault: after(runtimeUnread), want: is(Unknown, "agent log: identity_config.json: permission denied")},
		{name: "vault unread", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("vault: permission denied", "").Because(facts.NeedsRoot)
		}), want: want{status: Unknown, effect: Blocks, says: "registration: vault: permission denied; the service refused the id"}},
		{name: "vault unread, nothing refused", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("vault: permission denied", "").Because(facts.NeedsRoot)
		}, want: is(Pass, "accepted ")},
		{name: "task or not", kind: "hybrid", fault: func(f *facts.Facts) {
			f.ECS = facts.ECS{}
			f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}, want: is(Unknown, "whether this is an ECS task: not looked at")},
		{name: "EC2 or not, vault unread", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Host.DMI = facts.DMI{}
			f.Registration.Hybrid = facts.Unknown[facts.Key]("vault: permission denied", "").Because(facts.NeedsRoot)
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}), want: is(Unknown, "whether this is an EC2 instance is not known: firmware tables of the machine, sys_vendor: not looked at")},
		{name: "configuration of an instance unread", fault: after(func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1", HasPrivate: true}, "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
			f.Agent.Config = facts.Unknown[facts.Config]("amazon-ssm-agent.json: permission denied", "")
		}), want: want{status: Unknown, effect: Blocks, says: "whether the agent may use its registration: amazon-ssm-agent.json: permission denied"}},
	}
	judge(t, RegistrationKnown, table)
	judgeUnread(t, RegistrationKnown, table)
	// Not with judgeUnread: what the service answered stands nowhere else.
	asked := knownAsked(facts.SourceHybrid)
	judge(t, RegistrationKnown, []row{
		{name: "refused when asked", kind: "hybrid", fault: func(f *facts.Facts) { neverAccepted(f); asked(f) }, want: orphaned(Proven, "the service does not know mi-0f1e2d3c4b5a69788 any more: its registration was deleted", "ssm:ListInstanceAssociations: InvalidInstanceId the instance is not valid (ssm:ListInstanceAssociations)")},
		{name: "refused when asked, and accepted", kind: "hybrid", fault: asked, want: want{status: Warn, effect: Breaks, cause: "registration-orphaned", confidence: Proven, says: "its registration was deleted"}},
	})
}
