package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// hybridRoleRefused is a hybrid node whose log ends with this, under a signature.
func hybridRoleRefused(signature, text string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		log(f, signature, 5*time.Minute, text)
	}
}

func TestHybridRole(t *testing.T) {
	t.Parallel()
	const entry = "ERROR [CredentialRefresher] Retrieve credentials produced error: AccessDeniedException: Unable to assume role SSMServiceRole"
	creds := func(text string) func(*facts.Facts) { return hybridRoleRefused(facts.SigCredsFailed, text) }
	after := func(change func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) { creds(entry)(f); change(f) }
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	broken := func(says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: "hybrid-role-broken", confidence: Likely, says: says, saw: saw, value: value}
	}
	const named = "the service role SSMServiceRole of this hybrid node cannot be assumed: it was deleted or does not trust ssm.amazonaws.com"
	table := []row{
		{name: "profile", want: is(Skip, "no hybrid registration in use")},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "no hybrid registration in use")},
		{name: "task", kind: "task", want: is(Skip, "no hybrid registration in use")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "accepted ")},
		{name: "windows", kind: "windows", want: is(Pass, "accepted ")},
		{name: "named", kind: "hybrid", fault: creds(entry), want: broken(named, "agent log: "+entry+" (file:/var/log/amazon/ssm/amazon-ssm-agent.log)", "role=SSMServiceRole")},
		{name: "named on Windows", kind: "windows", fault: creds(entry), want: broken(named, "agent log: "+entry, "role=SSMServiceRole")},
		{name: "by its ARN, with a path", kind: "hybrid", fault: creds("ERROR ValidationException: Systems Manager was unable to assume role arn:aws-us-gov:iam::111122223333:role/service-role/SSMServiceRole: not trusted"), want: broken(named, "", "role=SSMServiceRole")},
		{name: "by its ARN, without the account", kind: "hybrid", fault: creds("ERROR Cannot assume role: arn:aws:iam::{account}:role/SSMServiceRole."), want: broken(named, "", "role=SSMServiceRole")},
		{name: "with a path", kind: "hybrid", fault: creds("ERROR Unable to assume the role service-role/SSMServiceRole\n\tstatus code: 400"), want: broken(named, "", "role=SSMServiceRole")},
		{name: "not named, but to this run", kind: "hybrid", fault: creds("ERROR AccessDeniedException: sts:AssumeRole"), want: broken(named, "agent log: ERROR AccessDeniedException: sts:AssumeRole", "role=SSMServiceRole")},
		{name: "not named", kind: "hybrid", fault: func(f *facts.Facts) {
			creds("ERROR AccessDeniedException: sts:AssumeRole")(f)
			f.Permissions.Identities = facts.Known([]facts.Identity{}, "")
		}, want: broken("the service role of this hybrid node cannot be assumed", "agent log: ERROR AccessDeniedException: sts:AssumeRole", "role=")},
		{name: "hibernates", kind: "hybrid", fault: hybridRoleRefused(facts.SigHibernate, "INFO Entering SSM Agent hibernate - AccessDeniedException: Unable to assume role SSMServiceRole"), want: broken(named, "agent log: INFO Entering SSM Agent hibernate", "role=SSMServiceRole")},
		{name: "heartbeat refused", kind: "hybrid", fault: hybridRoleRefused(facts.SigHealthFailed, "ERROR Health ping failed with AccessDeniedException: Unable to assume role SSMServiceRole"), want: broken(named, "agent log: ERROR Health ping failed", "role=SSMServiceRole")},
		{name: "the second entry says it", kind: "hybrid", fault: func(f *facts.Facts) {
			creds("ERROR Retrieve credentials produced error: RequestError: send request failed")(f)
			log(f, facts.SigHibernate, 4*time.Minute, "INFO Entering SSM Agent hibernate - Unable to assume role SSMServiceRole")
		}, want: broken(named, "agent log: INFO Entering SSM Agent hibernate", "role=SSMServiceRole")},
		{name: "another failure", kind: "hybrid", fault: creds("ERROR Retrieve credentials produced error: RequestError: send request failed"), want: is(Unknown, "no refusal on record, and nothing that was accepted either")},
		{name: "accepted since", kind: "hybrid", fault: func(f *facts.Facts) { log(f, facts.SigCredsFailed, time.Hour, entry) }, want: is(Pass, "accepted ")},
		{name: "of an instance", kind: "dhmc", fault: creds(entry), want: is(Skip, "no hybrid registration in use")},
		{name: "log unread", kind: "hybrid", fault: after(unreadLogOf), want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "log partly read, and it is there", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "")
		}), want: is(Unknown, "agent log: errors.log: permission denied")},
		{name: "log partly read", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "")
		}, want: is(Unknown, "agent log: errors.log: permission denied")},
		{name: "runtime configuration unread", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("identity_config.json: permission denied", "")
		}), want: is(Unknown, "agent log: identity_config.json: permission denied")},
		{name: "vault unread", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("vault: permission denied", "").Because(facts.NeedsRoot)
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}), want: is(Unknown, "registration: vault: permission denied")},
		{name: "configuration unread", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Agent.Config = facts.Unknown[facts.Config]("amazon-ssm-agent.json: permission denied", "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}), want: is(Unknown, "whether the agent may use its registration: amazon-ssm-agent.json: permission denied")},
	}
	judge(t, HybridRole, table)
	judgeUnread(t, HybridRole, table)
}
