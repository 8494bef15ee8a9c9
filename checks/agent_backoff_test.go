package checks

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// backoffFailed is an agent that failed two minutes ago and has no worker.
func backoffFailed(f *facts.Facts) {
	neverAccepted(f)
	log(f, facts.SigDHMCOff, 2*time.Minute, "ERROR AccessDeniedException: Systems Manager's instance management role is not configured for account: 111122223333")
}

// backoffAsleep is backoffFailed with the announcement of a sleep.
func backoffAsleep(f *facts.Facts) {
	backoffFailed(f)
	f.Log.Backoff = facts.Known(facts.Backoff{Since: f.CollectedAt.Add(-2 * time.Minute), Seconds: 1632, Until: f.CollectedAt.Add(25 * time.Minute)}, "file:/var/log/amazon/ssm")
}

func backoffAwake(f *facts.Facts) {
	f.Agent.Processes.Value.Worker = []facts.Process{{PID: 811, Exe: "/usr/bin/ssm-agent-worker"}}
}

// backoffReads gives all reads of this run with the identity in use one verdict.
func backoffReads(verdict, code string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		for i := range f.Permissions.Actions.Value {
			f.Permissions.Actions.Value[i].Verdict, f.Permissions.Actions.Value[i].Code = verdict, code
		}
	}
}

func backoffAll(faults ...func(*facts.Facts)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		for _, fault := range faults {
			fault(f)
		}
	}
}

const backoffRefused = "User: arn:aws:sts::111122223333:assumed-role/WebServerRole/i-0a1b2c3d4e5f60718 is not authorized to perform: ssm:UpdateInstanceInformation on resource: * because no identity-based policy allows the ssm:UpdateInstanceInformation action"

func TestAgentBackoff(t *testing.T) {
	t.Parallel()
	named := func(says, saw, value string) want {
		return want{status: Warn, effect: Notes, cause: "agent-backoff-wait", confidence: Likely, says: says, saw: saw, value: value}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	cannot := "whether the fault is gone cannot be told"
	table := []row{
		{name: "profile", want: is(Pass, "awake, accepted 3 min ago")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "awake")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "awake")},
		{name: "windows", kind: "windows", want: is(Pass, "awake")},
		{name: "task", kind: "task", want: is(Pass, "awake")},

		{name: "announced", fault: backoffAsleep, want: named("still sleeps after an earlier failure and retries at 09:55:00 UTC, in 25 min; wait, or restart it", "back-off: sleeping 27 min until 09:55:00 UTC (file:/var/log/amazon/ssm)", "minutes=26")},
		{name: "the failure is shown", fault: backoffAsleep, want: named("", "agent log: ERROR AccessDeniedException: Systems Manager's instance management role", "until=09:55:00 UTC")},
		{name: "the unit", fault: backoffAsleep, want: named("", "", "unit=amazon-ssm-agent.service")},
		{name: "not announced", fault: backoffFailed, want: named("retries within 60 min of its last failure, that is before 10:28:00 UTC", "", "until=10:28:00 UTC")},
		{name: "announced, worker runs", fault: backoffAll(backoffAsleep, backoffAwake), want: named("at 09:55:00 UTC", "", "")},
		{name: "on hybrid", kind: "hybrid", fault: backoffAsleep, want: named("still sleeps", "", "")},
		{name: "the heartbeat was refused", fault: backoffAll(backoffAsleep, func(f *facts.Facts) {
			refuse(f, facts.SigCredsFailed, 3*time.Minute, "AccessDeniedException", backoffRefused)
		}), want: named("still sleeps", "", "role=WebServerRole")},

		{name: "the heartbeat was denied by name", fault: backoffAll(backoffAsleep, func(f *facts.Facts) {
			refuse(f, facts.SigCredsFailed, 3*time.Minute, "AccessDeniedException", strings.Replace(backoffRefused, "because no identity-based policy allows the ssm:UpdateInstanceInformation action", "with an explicit deny in a permissions boundary", 1))
		}), want: want{status: Warn, cause: "agent-backoff-wait", confidence: Possible, says: "whether a policy still denies ssm:UpdateInstanceInformation shows when it does"}},

		{name: "hibernation", fault: backoffHibernates(10*time.Minute, 10*time.Minute), want: named("retries at 09:35:00 UTC, in 5 min", "agent log: INFO Entering SSM Agent hibernate", "")},
		{name: "hibernation for two days", fault: backoffHibernates(50*time.Hour, time.Hour), want: want{status: Fail, effect: Blocks, cause: "agent-backoff-wait", confidence: Likely,
			says: "retries at 10:25:00 UTC, in 55 min", saw: "agent log: INFO Entering SSM Agent hibernate"}},

		{name: "not running", fault: func(f *facts.Facts) { f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc") }, want: is(Skip, "does not run")},
		{name: "no failure", fault: neverAccepted, want: is(Skip, "no failure on record")},
		{name: "started since", fault: backoffAll(backoffAsleep, func(f *facts.Facts) { log(f, facts.SigStart, time.Minute, "amazon-ssm-agent - v3.3.3050.0") }), want: is(Skip, "started after its last failure")},
		{name: "awake", fault: backoffAll(backoffFailed, backoffAwake), want: is(Skip, "not asleep")},
		{name: "an old failure", fault: backoffAll(neverAccepted, func(f *facts.Facts) { log(f, facts.SigDHMCOff, 2*time.Hour, "role is not configured") }), want: is(Skip, "not asleep")},
		{name: "accepted since", fault: backoffSuccessSince, want: is(Pass, "accepted after its last failure")},
		{name: "accepted since, log partly read", fault: backoffAll(backoffSuccessSince, func(f *facts.Facts) {
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "file:/var/log/amazon/ssm").Because(facts.NeedsRoot)
		}), want: is(Unknown, "agent log: errors.log: permission denied")},

		{name: "agent unread", fault: backoffAll(backoffAsleep, func(f *facts.Facts) { f.Agent = facts.Agent{} }), want: is(Unknown, "processes: not looked at")},
		{name: "log unread", fault: backoffAll(neverAccepted, unreadLogOf), want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "announcement unread", fault: backoffAll(backoffFailed, backoffAwake, func(f *facts.Facts) {
			f.Log.Backoff = facts.Unknown[facts.Backoff]("permission denied", "")
		}), want: is(Unknown, "announced sleep: permission denied")},
		{name: "processes unread", fault: backoffAll(backoffFailed, func(f *facts.Facts) {
			f.Agent.Processes = facts.Unknown[facts.Processes]("permission denied", "")
		}), want: is(Unknown, "processes: permission denied")},
		{name: "no answer of the endpoint", fault: backoffAll(backoffAsleep, func(f *facts.Facts) {
			f.Network.Endpoint("ssm").HTTP = facts.Absent[facts.HTTP]("no connection", "")
		}), want: is(Unknown, cannot+" without an answer of the ssm endpoint")},
		{name: "network unread", fault: backoffAll(backoffAsleep, func(f *facts.Facts) { f.Network = facts.Network{} }), want: is(Unknown, cannot)},
		{name: "reads refused", fault: backoffAll(backoffAsleep, backoffReads(facts.DeniedProven, "AccessDeniedException")), want: is(Unknown, "refused the harmless reads as well")},
		{name: "reads not answered", fault: backoffAll(backoffAsleep, backoffReads(facts.Inconclusive, "ExpiredTokenException")), want: is(Unknown, "not answered either: ExpiredTokenException")},
		{name: "no reads", fault: backoffAll(backoffAsleep, func(f *facts.Facts) {
			f.Permissions.Actions = facts.Unknown[[]facts.Permission]("requests to AWS are held", "")
		}), want: want{status: Warn, cause: "agent-backoff-wait"}},
		{name: "runtime configuration unread", fault: backoffAll(backoffAsleep, func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}), want: is(Unknown, "runtime configuration: permission denied")},
		{name: "source of credentials not known", fault: backoffAll(backoffAsleep, func(f *facts.Facts) {
			f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer in time", "")
		}), want: is(Unknown, "what the agent signs with is not known")},
		{name: "profile without credentials", fault: backoffAll(backoffAsleep, func(f *facts.Facts) { f.IMDS.Role.Value.Code = "AssumeRoleUnauthorizedAccess" }),
			want: is(Unknown, cannot+" without valid credentials of the instance profile")},
		{name: "profile with expired credentials", fault: backoffAll(backoffAsleep, func(f *facts.Facts) { f.IMDS.Role.Value.Expires = f.CollectedAt.Add(-time.Minute) }),
			want: is(Unknown, cannot+" without valid credentials")},
		{name: "credentials of the profile refused", fault: backoffAll(backoffAsleep, func(f *facts.Facts) {
			f.Permissions.Identities.Value[0].Outcome, f.Permissions.Identities.Value[0].Code = facts.CallRefused, "InvalidClientTokenId"
		}), want: is(Unknown, "AWS refuses the credentials of the instance profile: InvalidClientTokenId")},
	}
	judge(t, AgentBackoff, table)
	judgeUnread(t, AgentBackoff, table)
}

// backoffHibernates is an agent that went into hibernation some time ago and last tried
// five minutes ago.
func backoffHibernates(since, interval time.Duration) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		f.Log.Matches.Value = nil // the log begins after the start
		log(f, facts.SigHibernate, since, "INFO Entering SSM Agent hibernate - EC2RoleRequestError: no EC2 instance role found")
		last := f.CollectedAt.Add(-5 * time.Minute)
		f.Log.Backoff = facts.Known(facts.Backoff{Since: last, Seconds: interval.Seconds(), Until: last.Add(interval)}, "file:/var/log/amazon/ssm")
	}
}

// backoffSuccessSince failed two and a half hours ago and was accepted two hours ago.
func backoffSuccessSince(f *facts.Facts) {
	neverAccepted(f)
	log(f, facts.SigDHMCOff, 150*time.Minute, "role is not configured")
	log(f, facts.SigRotation, 2*time.Hour, "Next credential rotation will be in 29.9 minutes")
}

// TestAgentBackoffAfterRefusal: whoever is told to restart after a refused heartbeat is
// told what to do when it is refused again.
func TestAgentBackoffAfterRefusal(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	backoffAsleep(f)
	if fd := AgentBackoff.Judge(node.Of(f)); len(fd.Fix) != 0 {
		t.Errorf("without a refusal: %+v", fd.Fix)
	}
	refuse(f, facts.SigCredsFailed, 3*time.Minute, "AccessDeniedException", backoffRefused)
	fix := AgentBackoff.Judge(node.Of(f)).Fix
	usual := causes.Get("agent-backoff-wait").Fix
	if len(fix) != len(usual)+1 || fix[0] != usual[0] {
		t.Fatalf("%d steps: %+v", len(fix), fix)
	}
	last := fix[len(fix)-1]
	if last.Where != causes.OperatorCLI || !strings.HasPrefix(last.Text, "If ") || !strings.HasPrefix(last.Command, "aws iam attach-role-policy --role-name {role}") {
		t.Errorf("last step %+v", last)
	}
	for layer, command := range map[string]string{
		" with an explicit deny in an identity-based policy":                                "aws iam simulate-principal-policy",
		" because no VPC endpoint policy allows the ssm:UpdateInstanceInformation action":   "aws ec2 describe-vpc-endpoints",
		" because no permissions boundary allows the ssm:UpdateInstanceInformation action":  "aws iam simulate-principal-policy",
		" because no identity-based policy allows the ssm:UpdateInstanceInformation action": "aws iam attach-role-policy",
	} {
		f := factstest.Healthy(t, "profile")
		backoffAsleep(f)
		refuse(f, facts.SigCredsFailed, 3*time.Minute, "AccessDeniedException", strings.Replace(backoffRefused, " because no identity-based policy allows the ssm:UpdateInstanceInformation action", layer, 1))
		fix := AgentBackoff.Judge(node.Of(f)).Fix
		if last := fix[len(fix)-1]; !strings.HasPrefix(last.Text, "If ") || !strings.HasPrefix(last.Command, command) {
			t.Errorf("%s: last step %+v", layer, last)
		}
	}
}
