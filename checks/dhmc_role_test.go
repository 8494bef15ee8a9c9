package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestDhmcRole(t *testing.T) {
	t.Parallel()
	const entry = "ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. AccessDeniedException: Systems Manager is unable to assume role: arn:aws:iam::111122223333:role/service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole"
	failed := func(signature, entry string, changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			neverAccepted(f)
			log(f, signature, 5*time.Minute, entry)
			for _, change := range changes {
				change(f)
			}
		}
	}
	noRuntime := func(f *facts.Facts) { f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "") }
	runtimeUnread := func(f *facts.Facts) {
		f.Credentials.Runtime = facts.Unknown[facts.Runtime]("input/output error", "")
	}
	vault := func(f *facts.Facts) {
		f.Registration.Hybrid = facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)
		noRuntime(f)
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := want{status: Fail, effect: Blocks, cause: "dhmc-role-broken", confidence: Likely, says: "its role cannot be assumed", saw: "agent log: ERROR EC2RoleProvider Failed"}
	later := want{status: Fail, effect: Ends, cause: "dhmc-role-broken", says: "the node is still accepted, until 10:20:00 UTC (in 50 min)"}
	table := []row{
		{name: "profile", want: is(Skip, "not in use")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "AWSSystemsManagerDefaultEC2InstanceManagementRole")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "for EC2 identities")},
		{name: "windows", kind: "windows", want: is(Skip, "for EC2 identities")},
		{name: "task", kind: "task", want: is(Skip, "for EC2 identities")},
		{name: "hybrid registration on EC2", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1", HasPrivate: true}, "")
			f.Credentials.Runtime.Value.IdentityType = "OnPrem"
		}, want: is(Skip, "for EC2 identities")},

		{name: "no role", kind: "dhmc", fault: failed(facts.SigDHMCFailed, entry), want: named},
		{name: "no role, as nothing was retrieved", kind: "dhmc", fault: failed(facts.SigCredsFailed, entry), want: named},
		{name: "no role, behind a profile", fault: failed(facts.SigDHMCFailed, entry), want: named},
		{name: "no role, an agent of before 3.1.501", kind: "dhmc", fault: failed(facts.SigDHMCFailed, entry, noRuntime), want: named},
		{name: "lost since it was used", kind: "dhmc", fault: func(f *facts.Facts) { log(f, facts.SigDHMCFailed, time.Minute, entry) }, want: later},
		{name: "it is the profile's role", fault: failed(facts.SigDHMCFailed, "is unable to assume role: arn:aws:iam::111122223333:role/WebServerRole"), want: is(Skip, "not in use")},
		{name: "the profile's role is not known", fault: failed(facts.SigDHMCFailed, entry, func(f *facts.Facts) { f.IMDS.Role = facts.Unknown[facts.Role]("no answer in time", "") }), want: is(Unknown, "role of the instance profile: no answer in time")},
		{name: "no profile, its role unread", kind: "dhmc", fault: failed(facts.SigDHMCFailed, entry, func(f *facts.Facts) { f.IMDS.Role = facts.Unknown[facts.Role]("no answer in time", "") }), want: named},
		{name: "switched off", kind: "dhmc", fault: failed(facts.SigDHMCFailed, "instance management role is not configured: unable to assume role"), want: is(Skip, "not in use")},
		{name: "failed otherwise", kind: "dhmc", fault: failed(facts.SigDHMCFailed, "RequestCanceled: request context canceled"), want: is(Skip, "not in use")},
		{name: "failed before it was accepted", kind: "dhmc", fault: func(f *facts.Facts) { log(f, facts.SigDHMCFailed, time.Hour, entry) }, want: is(Pass, "AWSSystemsManagerDefault")},

		{name: "in use, not asked who", kind: "dhmc", fault: func(f *facts.Facts) {
			f.Permissions.Identities = facts.Unknown[[]facts.Identity]("offline", "")
		}, want: is(Pass, "in use")},
		{name: "in use, refused", kind: "dhmc", fault: func(f *facts.Facts) { f.Permissions.Identities.Value[0].Outcome = facts.CallRefused }, want: is(Pass, "in use")},
		{name: "log unread", kind: "dhmc", fault: unreadLogOf, want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "log partly read", kind: "dhmc", fault: func(f *facts.Facts) {
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "")
		}, want: is(Unknown, "agent log: errors.log")},
		{name: "failed, runtime configuration unread", kind: "dhmc", fault: failed(facts.SigDHMCFailed, entry, runtimeUnread), want: is(Unknown, "agent log: input/output error")},
		{name: "runtime configuration unread", kind: "dhmc", fault: func(f *facts.Facts) { neverAccepted(f); runtimeUnread(f) }, want: is(Unknown, "runtime configuration: input/output error")},
		{name: "configuration unread", kind: "dhmc", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1", HasPrivate: true}, "")
			f.Agent.Config = facts.Unknown[facts.Config]("amazon-ssm-agent.json: permission denied", "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}, want: is(Unknown, "whether the agent may use its registration: amazon-ssm-agent.json: permission denied")},
		{name: "vault unread", kind: "dhmc", fault: vault, want: is(Unknown, "registration: permission denied")},
		{name: "vault unread, profile", fault: vault, want: is(Skip, "not in use")},
		{name: "EC2 or not", kind: "dhmc", fault: func(f *facts.Facts) {
			f.Host.DMI, f.IMDS.InstanceID, f.Registration.EC2 = facts.DMI{}, facts.Seen[string]{}, facts.Absent[facts.Key]("no such file", "")
			noRuntime(f)
		}, want: is(Unknown, "whether this is an EC2 instance is not known")},
	}
	judge(t, DhmcRole, table)
	judgeUnread(t, DhmcRole, table)
}
